//! Pages that are hostile markup themselves, as if escaping had failed; the printer must hold alone.
//!
//! A trap listens on loopback. That nothing comes means something only because the same elements do reach it from a browser
//! without our walls: that is the first test.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::super::{Chromium, Options};
use super::{dated, options, text_of};

/// Notes every connection: the path that was asked for, or nothing.
struct Trap {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Trap {
    fn set() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, asked) = (listener.local_addr().unwrap(), Arc::default());
        let notes = Arc::clone(&asked);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let notes = Arc::clone(&notes);
                std::thread::spawn(move || answer(stream.unwrap(), &notes));
            }
        });
        Self { address, asked }
    }

    fn asked(&self) -> Vec<String> {
        // A connection of our own is noted behind every one that came before.
        let mut own = TcpStream::connect(self.address).unwrap();
        own.write_all(b"GET /own HTTP/1.1\r\n\r\n").unwrap();
        BufReader::new(own).lines().next().unwrap().unwrap();
        let mut asked = self.asked.lock().unwrap().clone();
        asked.retain(|path| path != "/own");
        asked
    }
}

fn answer(mut stream: TcpStream, notes: &Mutex<Vec<String>>) {
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let mut line = String::new();
    let read = BufReader::new(stream.try_clone().unwrap()).read_line(&mut line);
    let path =
        line.split([' ', '?']).nth(1).unwrap_or(if read.is_ok() { "nothing" } else { "silence" });
    notes.lock().unwrap().push(path.to_owned());
    let _gone =
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
}

/// An element, and whether its page can be printed at all: one that waits for something refused for ever cannot.
struct Hostile {
    name: &'static str,
    markup: String,
    prints: bool,
}

fn hostile(trap: SocketAddr) -> Vec<Hostile> {
    let element = |name: &'static str, markup: &str, prints| Hostile {
        name,
        markup: markup.replace("URL", &format!("http://{trap}/{name}")),
        prints,
    };
    vec![
        element("img", "<img src=URL>", true),
        element("iframe", "<iframe src=URL></iframe>", true),
        element("object", "<object data=URL></object>", true),
        element("stylesheet", "<link rel=stylesheet href=URL>", true),
        element("prefetch", "<link rel=prefetch href=URL>", true),
        element("preconnect", "<link rel=preconnect href=URL>", true),
        element("import", "<style>@import 'URL';</style>", true),
        element("background", "<style>body{background:url(URL)}</style>", true),
        element("fetch", "<script>fetch('URL');document.write('script ran')</script>", true),
        element("refresh", "<meta http-equiv=refresh content='0;url=URL'>", true),
        element("form", "<form id=f action=URL></form><script>f.submit()</script>", true),
        element("file-img", "<img src=file:///etc/passwd>", true),
        element("file-object", "<object data=file:///etc/passwd></object>", true),
        element("file-iframe", "<iframe src=file:///etc/passwd></iframe>", false),
    ]
}

fn page(markup: &str) -> String {
    format!("<!doctype html><html><body><p>marker</p>{markup}</body></html>")
}

/// What a browser without our walls does with the same markup.
fn unprotected(folder: &Path, markup: &str) {
    let file = folder.join("page.html");
    std::fs::write(&file, page(markup)).unwrap();
    let mut chromium = Command::new(options().executable);
    chromium
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"])
        .args(["--disable-features=LocalNetworkAccessChecks", "--virtual-time-budget=2000"])
        .arg(format!("--user-data-dir={}", folder.join("profile").display()))
        .arg("--dump-dom")
        .arg(format!("file://{}", file.display()));
    assert!(chromium.output().unwrap().status.success());
}

#[test]
fn without_the_walls_the_same_elements_reach_the_trap() {
    let (trap, folder) = (Trap::set(), tempfile::tempdir().unwrap());
    let leaves_the_page = ["refresh", "form"];
    let elements = hostile(trap.address);
    let (alone, together): (Vec<_>, Vec<_>) =
        elements.iter().partition(|element| leaves_the_page.contains(&element.name));
    let together: String = together.iter().map(|element| element.markup.as_str()).collect();
    for markup in alone.iter().map(|element| &element.markup).chain([&together]) {
        unprotected(folder.path(), markup);
    }
    let asked = trap.asked();
    for name in [
        "img",
        "iframe",
        "object",
        "stylesheet",
        "prefetch",
        "import",
        "background",
        "fetch",
        "refresh",
        "form",
    ] {
        assert!(asked.contains(&format!("/{name}")), "{name} is harmless anyway: {asked:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_page_reaches_neither_network_nor_files() {
    let trap = Trap::set();
    let chromium =
        Chromium::launch(Options { timeout: Duration::from_secs(8), ..options() }).await.unwrap();
    let mut surprises = Vec::new();
    for Hostile { name, markup, prints } in hostile(trap.address) {
        let printed = chromium.pdf(&page(&markup), dated()).await;
        if printed.is_ok() != prints {
            surprises.push(format!("{name}: {:?}", printed.as_ref().err()));
        }
        if let Ok(pdf) = printed {
            let text = text_of(&pdf);
            assert!(text.contains("marker"), "{name}: {text}");
            assert!(!text.contains("root:") && !text.contains("script ran"), "{name}: {text}");
        }
        assert_eq!(trap.asked(), Vec::<String>::new(), "{name}");
    }
    assert!(surprises.is_empty(), "{surprises:?}");
    chromium.close().await;
}
