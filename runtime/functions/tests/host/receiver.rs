//! An HTTP server that says what it is told to say.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver as Channel, channel};

/// One request as it came.
pub struct Received {
    pub head: String,
    pub body: Vec<u8>,
}

/// A server on a port of its own, until the test ends.
pub struct Receiver {
    pub address: SocketAddr,
    pub requests: Channel<Received>,
}

/// Answers each connection with what `respond` writes to it.
pub fn serve(respond: impl Fn(&Received, &mut TcpStream) + Send + 'static) -> Receiver {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, requests) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let Some(received) = receive(&mut stream) else {
                continue;
            };
            respond(&received, &mut stream);
            if sender.send(received).is_err() {
                break;
            }
        }
    });
    Receiver { address, requests }
}

fn receive(stream: &mut TcpStream) -> Option<Received> {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let length =
        head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body).ok()?;
    Some(Received { head, body })
}

/// A whole answer.
pub fn answer(stream: &mut TcpStream, status: u16, body: &str) {
    let length = body.len();
    let text =
        format!("HTTP/1.1 {status} Status\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}");
    // The other side may be gone, which is its right.
    let _ = stream.write_all(text.as_bytes());
}
