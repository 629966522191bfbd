//! `docs/configuration.md` lists every setting; this keeps it true.

use super::{BrokerConfig, describe};
use crate::topics::{TopicConfig, inert, topic_config};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/configuration.md");
const INTRODUCTION: &str = "# Configuration

Every setting is a key of the TOML file (`--config`), a variable of the environment and a flag of `tidemill serve` (those that
the command line lists). Flags win over the environment, which wins over the file. A name may be written with dots, dashes
or underscores: `num.partitions = 4`, `num-partitions = 4` and `TIDEMILL_NUM_PARTITIONS=4` are the same. Names that are not
settings are refused. Settings that Kafka has keep Kafka's names.

This page is checked by a test; `UPDATE_DOCS=1 cargo test -p tidemill-broker --lib page` writes it anew.
";

fn page() -> String {
    let mut page = INTRODUCTION.to_owned();
    page += "\n## Broker\n\n| Setting | Default | |\n|---|---|---|\n";
    for setting in describe(&BrokerConfig::default()) {
        page += &format!("| `{}` | {} | {} |\n", setting.name, value(&setting.value), setting.doc);
    }
    page +=
        "\n`log.retention.hours`, `log.retention.minutes` and `log.roll.hours` are taken too, as in Kafka.\n";
    page += "\n## Topics\n\nSet when a topic is created or altered; the broker's setting is the default.\n\n";
    page += "| Setting | Broker's setting | Default |\n|---|---|---|\n";
    let default = TopicConfig::default();
    for setting in topic_config::SETTINGS {
        let default = value(&(setting.get)(&default));
        page += &format!("| `{}` | `{}` | {default} |\n", setting.name, setting.broker_name);
    }
    page += "\nTaken, so that Kafka's tools work, and reported as set:\n\n| Setting | |\n|---|---|\n";
    for setting in inert::INERT {
        page += &format!("| `{}` | {} |\n", setting.name, setting.why);
    }
    page
}

fn value(value: &str) -> String {
    if value.is_empty() { String::new() } else { format!("`{value}`") }
}

#[test]
fn the_page_lists_every_setting() {
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(PAGE, page()).unwrap();
    }
    let written = std::fs::read_to_string(PAGE).unwrap();
    assert_eq!(written, page(), "UPDATE_DOCS=1 writes the page anew");
}
