//! A time-stamp authority behind HTTP: OpenSSL's `ts`, honest or not, as a test wants it.

use std::sync::{Arc, Mutex};

use bundle::testing::Authority as OpenSsl;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// How the authority answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Manner {
    Honest,
    /// Takes the question and says nothing.
    Silent,
    /// Closes the connection.
    Rude,
    /// A page, as a proxy or a hotel's network gives it.
    Page,
    /// 503.
    Closed,
    /// Leads elsewhere.
    Redirecting,
    /// A good answer to an earlier question: another imprint, another nonce.
    Repeating,
    /// An answer without an end.
    Endless,
}

/// A running authority; it ends with the test.
pub struct Authority {
    pub openssl: Arc<OpenSsl>,
    pub url: String,
    manner: Arc<Mutex<Manner>>,
    asked: Arc<Mutex<u32>>,
}

impl Authority {
    /// Listens on a port of its own.
    ///
    /// # Panics
    /// When OpenSSL or the network fails.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it listens");
        let authority = Self {
            openssl: Arc::new(OpenSsl::new()),
            url: format!("http://user:Secret-tsa@{address}/tsr"),
            manner: Arc::new(Mutex::new(Manner::Honest)),
            asked: Arc::default(),
        };
        let (openssl, manner) = (authority.openssl.clone(), authority.manner.clone());
        let asked = authority.asked.clone();
        // One question at a time: the serial number is a file.
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                *asked.lock().expect("nobody panics with it") += 1;
                let manner = *manner.lock().expect("nobody panics with it");
                if matches!(manner, Manner::Silent | Manner::Endless) {
                    tokio::spawn(answer(stream, openssl.clone(), manner));
                } else {
                    answer(stream, openssl.clone(), manner).await;
                }
            }
        });
        authority
    }

    pub fn behave(&self, manner: Manner) {
        *self.manner.lock().expect("nobody panics with it") = manner;
    }

    /// How often it was asked.
    pub fn asked(&self) -> u32 {
        *self.asked.lock().expect("nobody panics with it")
    }
}

async fn answer(mut stream: TcpStream, openssl: Arc<OpenSsl>, manner: Manner) {
    let Some(question) = question(&mut stream).await else { return };
    let body = match manner {
        Manner::Rude => return,
        Manner::Silent => {
            // Until the other side gives up.
            let _ = stream.read(&mut [0; 1]).await;
            return;
        }
        Manner::Page => b"<html>sign in</html>".to_vec(),
        Manner::Closed | Manner::Redirecting => Vec::new(),
        Manner::Honest => reply(&openssl, question).await,
        Manner::Repeating => {
            let other = bundle::timestamp::Request::new([7; 32], [7; 8]);
            reply(&openssl, other.der().to_vec()).await
        }
        Manner::Endless => {
            let mut sent =
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 9999999999\r\n\r\n").await;
            while sent.is_ok() {
                sent = stream.write_all(&[0x30; 4096]).await;
            }
            return;
        }
    };
    let status = match manner {
        Manner::Closed => "503 Service Unavailable",
        Manner::Redirecting => "302 Found\r\nlocation: http://127.0.0.1:1/",
        _ => "200 OK",
    };
    let head =
        format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
    let _ = stream.write_all(&[head.as_bytes(), &body].concat()).await;
}

async fn reply(openssl: &Arc<OpenSsl>, question: Vec<u8>) -> Vec<u8> {
    let openssl = openssl.clone();
    let replied = tokio::task::spawn_blocking(move || openssl.answer(&question)).await;
    replied.expect("OpenSSL answers")
}

/// The body of a request; nothing when the other side ends before it has asked.
async fn question(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    loop {
        if let Some(body) = body(&bytes) {
            return Some(body);
        }
        let mut part = [0; 4096];
        let read = stream.read(&mut part).await.unwrap_or_default();
        if read == 0 {
            return None;
        }
        bytes.extend_from_slice(&part[..read]);
    }
}

/// What stands behind the head of a request, once it is whole.
fn body(request: &[u8]) -> Option<Vec<u8>> {
    let end = request.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(&request[..end]).to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:"))?;
    let length: usize = length.trim().parse().ok()?;
    request.get(end..end + length).map(<[u8]>::to_vec)
}
