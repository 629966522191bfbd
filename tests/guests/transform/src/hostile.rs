//! What functions should not do.

use std::hint::black_box;
use std::time::Duration;
use tidemill_sdk::bindings::transform::exports::tidemill::function::batch_transform::Output as RawOutput;
use tidemill_sdk::{info, Batch, Error, NewRecord, Output};

/// Computes for ever.
pub fn forever() -> ! {
    let mut n = 0u64;
    loop {
        n = black_box(n.wrapping_add(1));
    }
}

/// Waits for ever.
pub fn sleep() -> ! {
    loop {
        std::thread::sleep(Duration::from_secs(3600));
    }
}

/// Executes `unreachable`.
pub fn trap() -> ! {
    core::arch::wasm32::unreachable()
}

/// Recurses without end.
pub fn overflow_the_stack() -> ! {
    #[allow(unconditional_recursion, reason = "that is the point")]
    fn deeper(depth: u64) -> u64 {
        let frame = black_box([depth; 32]);
        deeper(frame[7] + 1).wrapping_add(frame[3])
    }
    black_box(deeper(0));
    unreachable!("the stack has an end")
}

/// Allocates and touches memory without end.
pub fn allocate() -> ! {
    let mut hoard = Vec::new();
    loop {
        hoard.push(black_box(vec![1u8; 1 << 20]));
    }
}

/// Opens clocks without end and keeps them.
pub fn hoard() -> ! {
    let mut hoard = Vec::new();
    loop {
        hoard.push(tidemill_sdk::bindings::sink::wasi::clocks::monotonic_clock::subscribe_duration(1));
    }
}

/// Makes the host come up with random bytes.
pub fn much_randomness() -> ! {
    #[link(wasm_import_module = "wasi:random/random@0.2.0")]
    extern "C" {
        #[link_name = "get-random-bytes"]
        fn get_random_bytes(count: u64, result: *mut u8);
    }
    let mut result = [0u8; 8];
    unsafe { get_random_bytes(1 << 40, result.as_mut_ptr()) };
    unreachable!("nobody has that much randomness")
}

fn raw(record_count: u32, records: Vec<u8>) -> RawOutput {
    RawOutput { output: 0, partition: None, base_timestamp: 0, record_count, records }
}

/// 500 MB.
pub fn much() -> Vec<RawOutput> {
    vec![raw(1, vec![0; 500 << 20])]
}

/// Ten million empty outputs.
pub fn many() -> Vec<RawOutput> {
    (0..10_000_000).map(|_| raw(0, Vec::new())).collect()
}

/// Bytes that are not records.
pub fn garbage() -> Vec<RawOutput> {
    vec![raw(3, (0..1000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect())]
}

/// Records, and a lie about how many.
pub fn miscount(records: Vec<u8>) -> Vec<RawOutput> {
    vec![raw(1_000_000, records)]
}

/// Records with one left out of the middle.
pub fn gaps(records: Vec<u8>) -> Vec<RawOutput> {
    vec![raw(2, records)]
}

/// An error message of 10 MB.
pub fn long_message(_: Batch<'_>, _: &mut Output) -> Result<(), Error> {
    Err(Error::new("e".repeat(10 << 20)))
}

/// Logs without end: 100,000 lines, some of them long.
pub fn log_flood(_: Batch<'_>, _: &mut Output) -> Result<(), Error> {
    let long = "x".repeat(20_000);
    for n in 0..100_000 {
        match n % 100 {
            0 => info!("{n} {long}"),
            _ => info!("{n}"),
        }
    }
    Ok(())
}

/// Prints without end: 20 MB on a single line.
pub fn print_flood(_: Batch<'_>, _: &mut Output) -> Result<(), Error> {
    let text = "y".repeat(100_000);
    for _ in 0..200 {
        print!("{text}");
    }
    println!();
    Ok(())
}

/// Tries what it has no right to, and writes what came of it.
pub fn powers(_: Batch<'_>, out: &mut Output) -> Result<(), Error> {
    let found = [
        ("environment", std::env::vars().count() > 0),
        ("arguments", std::env::args().count() > 0),
        ("read a file", std::fs::read("/etc/passwd").is_ok()),
        ("list a folder", std::fs::read_dir("/").is_ok()),
        ("write a file", std::fs::write("powers.txt", "here").is_ok()),
        ("connect", std::net::TcpStream::connect("127.0.0.1:80").is_ok()),
        ("listen", std::net::TcpListener::bind("127.0.0.1:0").is_ok()),
        ("datagrams", std::net::UdpSocket::bind("127.0.0.1:0").is_ok()),
        ("start a thread", std::thread::Builder::new().spawn(|| ()).is_ok()),
        ("standard input", std::io::read_to_string(std::io::stdin()).is_ok_and(|text| !text.is_empty())),
    ];
    for (power, has_it) in found {
        if has_it {
            out.push(&NewRecord::new(0).value(power));
        }
    }
    Ok(())
}
