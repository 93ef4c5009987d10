//! A web server for one page on this machine: it hands out the page and its work, and takes one
//! result. WebGPU wants a secure context, which `127.0.0.1` is.
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};

/// The most bytes of a result.
const LARGEST: u64 = 1 << 30;
/// How long a connection may be silent.
const SILENCE: Duration = Duration::from_secs(30);

struct Content {
    page: Vec<u8>,
    work: Vec<u8>,
}

/// Serves `page` at `/` and `work` at `/work` until something posts to `/result`, and returns that.
/// `start` gets the address and starts the browser; what it returns is dropped at the end.
///
/// # Errors
/// Of the socket, of `start`, or that the time is over.
pub(super) fn serve<R>(
    page: Vec<u8>,
    work: Vec<u8>,
    limit: Duration,
    start: impl FnOnce(SocketAddr) -> io::Result<R>,
) -> io::Result<Vec<u8>> {
    let until = Instant::now() + limit;
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    listener.set_nonblocking(true)?;
    let content = Arc::new(Content { page, work });
    let (send, receive) = channel();
    let _browser = start(listener.local_addr()?)?;
    while Instant::now() < until {
        match listener.accept() {
            // a thread each: browsers open connections ahead and leave them silent
            Ok((stream, _)) => {
                let (content, send) = (Arc::clone(&content), send.clone());
                std::thread::spawn(move || answer(&stream, &content, &send));
            }
            Err(e) if e.kind() == ErrorKind::WouldBlock => {}
            Err(e) => return Err(e),
        }
        if let Ok(result) = receive.recv_timeout(Duration::from_millis(10)) {
            return Ok(result);
        }
    }
    let text = format!("nothing came within {} s", limit.as_secs());
    Err(io::Error::new(ErrorKind::TimedOut, text))
}

/// Answers one request; whoever asked badly or went away gets nothing.
fn answer(stream: &TcpStream, content: &Content, send: &Sender<Vec<u8>>) -> Option<()> {
    stream.set_nonblocking(false).ok()?;
    stream.set_read_timeout(Some(SILENCE)).ok()?;
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.by_ref().take(8192).read_line(&mut line).ok()?;
    let mut words = line.split_whitespace();
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut length = 0;
    loop {
        line.clear();
        reader.by_ref().take(8192).read_line(&mut line).ok()?;
        match line.trim().split_once(':') {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                length = value.trim().parse().ok()?;
            }
            Some(_) => {}
            None => break,
        }
    }
    let none = Vec::new();
    let (status, kind, body) = match (method.as_str(), path.as_str()) {
        ("GET", "/") => ("200 OK", "text/html", &content.page),
        ("GET", "/work") => ("200 OK", "application/json", &content.work),
        ("POST", "/result") if length <= LARGEST => {
            let mut result = Vec::new();
            reader.take(length).read_to_end(&mut result).ok()?;
            send.send(result).ok()?;
            ("204 No Content", "text/plain", &none)
        }
        _ => ("404 Not Found", "text/plain", &none),
    };
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    let mut stream = stream;
    stream.write_all(head.as_bytes()).ok()?;
    stream.write_all(body).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(address: SocketAddr, request: &str) -> String {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    #[test]
    fn hands_out_and_takes() {
        let limit = Duration::from_secs(20);
        let result = serve(b"page".to_vec(), b"work".to_vec(), limit, |address| {
            Ok(std::thread::spawn(move || {
                assert!(ask(address, "GET / HTTP/1.1\r\n\r\n").ends_with("\r\n\r\npage"));
                assert!(ask(address, "GET /work HTTP/1.1\r\nA: b\r\n\r\n").ends_with("work"));
                assert!(ask(address, "GET /other HTTP/1.1\r\n\r\n").contains("404"));
                let _silent = TcpStream::connect(address);
                ask(
                    address,
                    "POST /result HTTP/1.1\r\ncontent-length: 3\r\n\r\nyes",
                );
            }))
        });
        assert_eq!(result.unwrap(), b"yes");
        let e = serve(Vec::new(), Vec::new(), Duration::ZERO, |_| Ok(())).unwrap_err();
        assert_eq!(e.kind(), ErrorKind::TimedOut);
    }
}
