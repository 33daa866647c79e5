//! A small HTTP server of motion JPEG with numbered pictures, and of everything a source may do instead.
//! Not a camera: it sends as told, and waits on its own channel between pictures.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use framewire_media::{FramePool, JpegEncoder, TestPattern};

/// What a path answers.
#[derive(Debug, Clone)]
pub enum Page {
    /// A redirect to this address.
    Redirect(String),
    /// This status and nothing more.
    Status(u16),
    /// A page that is no video.
    Html,
    /// So many pictures, then the connection is cut.
    Cut(u32),
    /// So many pictures, then the closing boundary.
    End(u32),
    /// Accepts and says nothing.
    Silent,
}

pub struct MjpegServer {
    address: SocketAddr,
    /// Dropped with the server: every connection ends.
    _stop: Sender<()>,
}

impl MjpegServer {
    /// Serves these pages, and an endless stream for every other path.
    pub fn start(pages: Vec<(&'static str, Page)>) -> MjpegServer {
        MjpegServer::on(0, pages).expect("a port is free")
    }

    pub fn on(port: u16, pages: Vec<(&'static str, Page)>) -> std::io::Result<MjpegServer> {
        let listener = TcpListener::bind(("127.0.0.1", port))?;
        let address = listener.local_addr()?;
        let (stop, stopped) = channel();
        let stopped = Arc::new(Mutex::new(stopped));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (pages, stopped) = (pages.clone(), stopped.clone());
                thread::spawn(move || {
                    let _ = serve(stream, &pages, &stopped);
                });
            }
        });
        Ok(MjpegServer {
            address,
            _stop: stop,
        })
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

fn serve(
    mut stream: TcpStream,
    pages: &[(&str, Page)],
    stopped: &Mutex<Receiver<()>>,
) -> std::io::Result<()> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte)? == 0 {
            return Ok(());
        }
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head);
    let path = head.split(' ').nth(1).unwrap_or_default();
    let page = pages
        .iter()
        .find(|(name, _)| *name == path)
        .map(|(_, page)| page);
    let (pictures, closing) = match page {
        None => (u32::MAX, false),
        Some(Page::Cut(count)) => (*count, false),
        Some(Page::End(count)) => (*count, true),
        Some(Page::Redirect(to)) => {
            let text = format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n");
            return stream.write_all(text.as_bytes());
        }
        Some(Page::Status(status)) => {
            let text = format!("HTTP/1.1 {status} No\r\nContent-Length: 0\r\n\r\n");
            return stream.write_all(text.as_bytes());
        }
        Some(Page::Html) => {
            let text = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 13\r\n\r\n<html></html>";
            return stream.write_all(text.as_bytes());
        }
        Some(Page::Silent) => {
            stream.read_exact(&mut byte)?; // until the client gives up
            return Ok(());
        }
    };
    let kind = "multipart/x-mixed-replace; boundary=next";
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nConnection: close\r\n\r\n"
    )?;
    let pool = FramePool::default();
    let mut pattern = TestPattern::new(320, 240, 30).unwrap();
    let mut jpeg = JpegEncoder::new(90);
    for counter in 0..pictures {
        let frame = pattern.frame(counter, &pool).unwrap();
        let bytes = jpeg.encode(&frame).unwrap();
        write!(
            stream,
            "--next\r\nContent-Type: image/jpeg\r\nContent-Length: {}\r\n\r\n",
            bytes.len()
        )?;
        stream.write_all(bytes)?;
        stream.write_all(b"\r\n")?;
        let pause = stopped
            .lock()
            .unwrap()
            .recv_timeout(Duration::from_millis(20));
        if pause != Err(RecvTimeoutError::Timeout) {
            return Ok(());
        }
    }
    if closing {
        stream.write_all(b"--next--\r\n")?;
    }
    Ok(())
}
