"""Kafka's own administration tools, unmodified, against a real broker."""

import json

import pytest
from conftest import kafka_tool, run

TOOLS = "org.apache.kafka.tools"
CONFIGS = "kafka.admin.ConfigCommand"
GROUPS = f"{TOOLS}.consumer.group.ConsumerGroupCommand"
OFFSETS = f"{TOOLS}.GetOffsetShell"
REASSIGN = f"{TOOLS}.reassign.ReassignPartitionsCommand"


@pytest.fixture
def server(broker):
    return ["--bootstrap-server", broker.kafka_addr]


def create(server, topic, partitions=1, *configs):
    """A topic with configs, each as name=value."""
    options = [part for config in configs for part in ("--config", config)]
    kafka_tool(f"{TOOLS}.TopicCommand", *server, "--create", "--topic", topic, "--partitions", str(partitions), *options)


def fill(server, topic, count):
    kafka_tool(f"{TOOLS}.VerifiableProducer", *server, "--topic", topic, "--max-messages", str(count))


def offsets(server, topic, *options):
    """Partition to offset, as kafka-get-offsets prints them."""
    out = kafka_tool(OFFSETS, *server, "--topic", topic, *options)
    return {int(line.split(":")[1]): int(line.split(":")[2]) for line in out.split()}


def test_configs_of_topics(server, topic):
    create(server, topic)
    of = ["--entity-type", "topics", "--entity-name", topic]
    kafka_tool(CONFIGS, *server, *of, "--alter", "--add-config",
               "retention.ms=60000,cleanup.policy=[compact,delete],flush.ms=1000")
    described = kafka_tool(CONFIGS, *server, *of, "--describe")
    assert "retention.ms=60000" in described and "DYNAMIC_TOPIC_CONFIG:retention.ms=60000" in described
    assert "cleanup.policy=compact,delete" in described and "flush.ms=1000" in described
    kafka_tool(CONFIGS, *server, *of, "--alter", "--delete-config", "retention.ms,flush.ms")
    assert "retention.ms" not in kafka_tool(CONFIGS, *server, *of, "--describe")
    assert "retention.ms=604800000" in kafka_tool(CONFIGS, *server, *of, "--describe", "--all")


def test_configs_of_brokers_stand_behind_those_of_topics(server, topic):
    create(server, topic)
    own, everybody = ["--entity-type", "brokers", "--entity-name", "1"], ["--entity-type", "brokers", "--entity-default"]
    kafka_tool(CONFIGS, *server, *everybody, "--alter", "--add-config", "log.retention.ms=70000")
    kafka_tool(CONFIGS, *server, *own, "--alter", "--add-config", "log.retention.ms=80000")
    assert "log.retention.ms=70000" in kafka_tool(CONFIGS, *server, *everybody, "--describe")
    described = kafka_tool(CONFIGS, *server, *own, "--describe")
    assert "DYNAMIC_BROKER_CONFIG:log.retention.ms=80000" in described
    assert "DYNAMIC_DEFAULT_BROKER_CONFIG:log.retention.ms=70000" in described
    of_topic = kafka_tool(CONFIGS, *server, "--entity-type", "topics", "--entity-name", topic, "--describe", "--all")
    assert "retention.ms=80000" in of_topic
    for entity in (own, everybody):
        kafka_tool(CONFIGS, *server, *entity, "--alter", "--delete-config", "log.retention.ms")
    assert "log.retention.ms" not in kafka_tool(CONFIGS, *server, *own, "--describe")


def test_configs_of_groups_are_shown_and_not_taken_in_silence(server, group):
    of = ["--entity-type", "groups", "--entity-name", group]
    described = kafka_tool(CONFIGS, *server, *of, "--describe", "--all")
    for config in ["consumer.session.timeout.ms=45000", "share.auto.offset.reset=latest",
                   "streams.num.standby.replicas=0"]:
        assert f"  {config} " in described
    with pytest.raises(AssertionError, match="not built yet"):
        kafka_tool(CONFIGS, *server, *of, "--alter", "--add-config", "consumer.session.timeout.ms=50000")
    assert "50000" not in kafka_tool(CONFIGS, *server, *of, "--describe", "--all")


def test_quotas(server):
    clients = ["--entity-type", "clients", "--entity-name", "app"]
    kafka_tool(CONFIGS, *server, *clients, "--alter", "--add-config", "producer_byte_rate=1048576,request_percentage=50")
    described = kafka_tool(CONFIGS, *server, *clients, "--describe")
    assert "producer_byte_rate=1048576" in described and "request_percentage=50" in described
    both = ["--entity-type", "users", "--entity-default", "--entity-type", "clients", "--entity-default"]
    kafka_tool(CONFIGS, *server, *both, "--alter", "--add-config", "consumer_byte_rate=2097152")
    assert "consumer_byte_rate=2097152" in kafka_tool(CONFIGS, *server, *both, "--describe")
    addresses = ["--entity-type", "ips", "--entity-name", "10.0.0.1"]
    kafka_tool(CONFIGS, *server, *addresses, "--alter", "--add-config", "connection_creation_rate=100")
    assert "connection_creation_rate=100" in kafka_tool(CONFIGS, *server, *addresses, "--describe")
    kafka_tool(CONFIGS, *server, "--entity-type", "users", "--entity-name", "nobody", "--describe")
    kafka_tool(CONFIGS, *server, *clients, "--alter", "--delete-config", "producer_byte_rate,request_percentage")
    assert "producer_byte_rate" not in kafka_tool(CONFIGS, *server, *clients, "--describe")
    kafka_tool(CONFIGS, *server, *both, "--alter", "--delete-config", "consumer_byte_rate")


def test_consumer_groups(server, topic, group):
    create(server, topic, 2)
    for partition in "01":  # a producer that chooses partitions itself may well put everything into one
        run("kcat", "-P", "-b", server[1], "-t", topic, "-p", partition, stdin="a record\n" * 50)
    kafka_tool(f"{TOOLS}.consumer.ConsoleConsumer", *server, "--topic", topic, "--from-beginning", "--max-messages", "100",
               "--group", group, "--timeout-ms", "60000")
    of = ["--group", group]
    assert group in kafka_tool(GROUPS, *server, "--list").split()
    states = kafka_tool(GROUPS, *server, "--list", "--state").splitlines()
    assert any(line.split()[0] == group and "Empty" in line for line in states if line.split()), states
    assert group in kafka_tool(GROUPS, *server, "--list", "--type", "classic")
    assert lags(server, group) == {"0": (50, 0), "1": (50, 0)}
    assert "Empty" in kafka_tool(GROUPS, *server, "--describe", *of, "--state")
    kafka_tool(GROUPS, *server, "--describe", *of, "--members")
    kafka_tool(GROUPS, *server, "--reset-offsets", *of, "--topic", topic, "--to-earliest", "--execute")
    assert lags(server, group) == {"0": (0, 50), "1": (0, 50)}
    kafka_tool(GROUPS, *server, "--reset-offsets", *of, "--topic", f"{topic}:0", "--to-offset", "7", "--execute")
    assert lags(server, group) == {"0": (7, 43), "1": (0, 50)}
    kafka_tool(GROUPS, *server, "--delete-offsets", *of, "--topic", f"{topic}:1")
    assert "1" not in lags(server, group)
    kafka_tool(GROUPS, *server, "--delete", *of)
    assert group not in kafka_tool(GROUPS, *server, "--list").split()


def lags(server, group):
    """Partition to current offset and lag."""
    described = kafka_tool(GROUPS, *server, "--describe", "--group", group)
    rows = [line.split() for line in described.splitlines() if line.startswith(group)]
    # GROUP TOPIC PARTITION CURRENT-OFFSET LOG-END-OFFSET LAG
    return {row[2]: (int(row[3]), int(row[5])) for row in rows if row[3] != "-"}


def test_offsets_and_deleted_records(server, topic, tmp_path):
    create(server, topic)
    fill(server, topic, 50)
    assert offsets(server, topic) == {0: 50}
    wanted = {"partitions": [{"topic": topic, "partition": 0, "offset": 20}], "version": 1}
    (tmp_path / "offsets.json").write_text(json.dumps(wanted))
    deleted = kafka_tool(f"{TOOLS}.DeleteRecordsCommand", *server, "--offset-json-file", str(tmp_path / "offsets.json"))
    assert "low_watermark: 20" in deleted
    assert offsets(server, topic, "--time", "earliest") == {0: 20}
    assert offsets(server, topic, "--time", "max-timestamp")[0] >= 20
    assert offsets(server, topic, "--time", "latest") == {0: 50}


def test_leader_election(server, topic):
    create(server, topic, 2)
    kafka_tool(f"{TOOLS}.LeaderElectionCommand", *server, "--election-type", "preferred", "--all-topic-partitions")
    one = kafka_tool(f"{TOOLS}.LeaderElectionCommand", *server, "--election-type", "preferred", "--topic", topic,
                     "--partition", "1")
    assert "Valid replica already elected" in one, one


def test_log_dirs(server, topic):
    create(server, topic)
    fill(server, topic, 100)
    out = kafka_tool(f"{TOOLS}.LogDirsCommand", *server, "--describe", "--topic-list", topic)
    described = json.loads(next(line for line in out.splitlines() if line.startswith("{")))
    dirs = described["brokers"][0]["logDirs"]
    assert len(dirs) == 2 and all(found["error"] is None for found in dirs)
    sizes = [part["size"] for found in dirs for part in found["partitions"] if part["partition"] == f"{topic}-0"]
    assert sum(sizes) > 0


def test_reassignment_to_where_it_is(server, topic, tmp_path):
    create(server, topic, 2)
    topics = tmp_path / "topics.json"
    topics.write_text(json.dumps({"topics": [{"topic": topic}], "version": 1}))
    generated = kafka_tool(REASSIGN, *server, "--generate", "--topics-to-move-json-file", str(topics), "--broker-list", "1")
    plan = tmp_path / "plan.json"
    plan.write_text(generated.splitlines()[-1] if generated.splitlines()[-1].startswith("{") else generated.splitlines()[-2])
    of = ["--reassignment-json-file", str(plan)]
    executed = kafka_tool(REASSIGN, *server, "--execute", *of, "--throttle", "1000000")
    assert "Successfully started" in executed, executed
    verified = kafka_tool(REASSIGN, *server, "--verify", *of)
    assert verified.count("is completed") == 2, verified
    assert "No partition reassignments found" in kafka_tool(REASSIGN, *server, "--list")


def test_lists(server, topic):
    create(server, topic)
    kafka_tool(f"{TOOLS}.ClientMetricsCommand", *server, "--list")
    kafka_tool(f"{TOOLS}.GroupsCommand", *server, "--list")
    assert "Kafka" not in kafka_tool(f"{TOOLS}.ClusterTool", "cluster-id", *server).splitlines()[0].split(":")[-1]


def test_features_and_the_quorum(server):
    feature = f"{TOOLS}.FeatureCommand"
    described = kafka_tool(feature, *server, "describe")
    assert "transaction.version" in described and "FinalizedVersionLevel: 2" in described
    assert "downgraded to 1" in kafka_tool(feature, *server, "downgrade", "--feature", "transaction.version=1")
    assert "FinalizedVersionLevel: 1" in kafka_tool(feature, *server, "describe")
    assert "upgraded to 2" in kafka_tool(feature, *server, "upgrade", "--feature", "transaction.version=2")
    with pytest.raises(AssertionError, match="only supports versions 0-2"):
        kafka_tool(feature, *server, "upgrade", "--feature", "transaction.version=3")
    quorum = kafka_tool(f"{TOOLS}.MetadataQuorumCommand", *server, "describe", "--status")
    rows = dict(line.split(":", 1) for line in quorum.splitlines() if ":" in line)
    assert rows["LeaderId"].strip() == "1" and rows["MaxFollowerLag"].strip() == "0"
    assert '"id": 1' in rows["CurrentVoters"] and rows["CurrentObservers"].strip() == "[]"
    assert "Leader" in kafka_tool(f"{TOOLS}.MetadataQuorumCommand", *server, "describe", "--replication")
