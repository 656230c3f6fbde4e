//! The printer against a real Chromium. These tests need one, and `pdftotext`.

use std::io::Write as _;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use evidence::time::Time;

use super::{Chromium, Error, Options};
use crate::html;
use crate::tests::report;

/// Root cannot use the sandbox; anybody else does.
fn options() -> Options {
    let id = Command::new("id").arg("-u").output().unwrap();
    let is_root = id.stdout.starts_with(b"0\n");
    Options { sandbox: !is_root, ..Options::default() }
}

async fn chromium() -> Chromium {
    Chromium::launch(options()).await.unwrap()
}

fn dated() -> Time {
    "2026-04-02T09:30:01Z".parse().unwrap()
}

fn text_of(pdf: &[u8]) -> String {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(pdf).unwrap();
    let out = Command::new("pdftotext").arg("-raw").arg(file.path()).arg("-").output().unwrap();
    assert!(out.status.success());
    String::from_utf8(out.stdout).unwrap()
}

fn pid(chromium: &Chromium) -> u32 {
    chromium.live.try_lock().unwrap().as_ref().unwrap().process.pid().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_report_gives_the_same_bytes_in_any_browser() {
    let page = html(&report(10, "aws_security_group_rule.ssh")).unwrap();
    let (one, other) = (chromium().await, chromium().await);
    let pdf = one.pdf(&page, dated()).await.unwrap();
    assert!(pdf == one.pdf(&page, dated()).await.unwrap());
    assert!(pdf == other.pdf(&page, dated()).await.unwrap());
    assert!(text_of(&pdf).contains("Page 1 of "));
    one.close().await;
    other.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_that_died_is_replaced() {
    let chromium = chromium().await;
    for _ in 0..2 {
        let first = pid(&chromium);
        let killed = Command::new("kill").args(["-9", &first.to_string()]).status().unwrap();
        assert!(killed.success());
        chromium.probe().await.or_else(|_| Ok::<_, Error>(())).unwrap();
        chromium.probe().await.unwrap();
        assert_ne!(pid(&chromium), first);
    }
    chromium.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_goes_away_costs_nothing_but_the_browser() {
    let chromium = chromium().await;
    let page = html(&report(10, "a")).unwrap();
    let gone = tokio::time::timeout(Duration::from_millis(20), chromium.pdf(&page, dated())).await;
    assert!(gone.is_err());
    chromium.probe().await.unwrap();
    chromium.close().await;
}

/// The page here is hostile markup itself, as if escaping had failed; the printer must hold alone.
#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_page_reaches_neither_network_nor_files() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let chromium =
        Chromium::launch(Options { timeout: Duration::from_secs(8), ..options() }).await.unwrap();
    let hostile = [
        "<img src=file:///etc/passwd>".to_owned(),
        "<object data=file:///etc/passwd></object>".to_owned(),
        "<iframe src=file:///etc/passwd></iframe>".to_owned(),
        format!("<img src={url}><iframe src={url}></iframe><object data={url}></object>"),
        format!(
            "<link rel=stylesheet href={url}><link rel=prefetch href={url}><link rel=preconnect href={url}>"
        ),
        format!("<meta http-equiv=refresh content='0;url={url}'>"),
        format!("<style>@import '{url}'; body{{background:url({url})}}</style>"),
        format!("<script>fetch('{url}');document.write('script ran')</script>"),
        format!("<form id=f action={url}></form><script>f.submit()</script>"),
    ];
    for element in hostile {
        let page = format!("<!doctype html><html><body><p>marker</p>{element}</body></html>");
        // A frame that is refused may keep the page from ever loading: then nothing is printed, which is as good.
        if let Ok(pdf) = chromium.pdf(&page, dated()).await {
            let text = text_of(&pdf);
            assert!(text.contains("marker"), "{element}: {text}");
            assert!(!text.contains("root:") && !text.contains("script ran"), "{element}: {text}");
        }
    }
    let contact = listener.accept();
    assert_eq!(contact.unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    chromium.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_names_appear_as_text_in_the_pdf() {
    let chromium = chromium().await;
    let page = |address: &str| html(&report(1, address)).unwrap();
    for (address, shown) in [
        ("<img src=file:///etc/passwd>", "<img src=file:///etc/passwd>"),
        ("=HYPERLINK(\"http://x\")", "=HYPERLINK(\"http://x\")"),
        ("safe\u{202E}exe.txt", "safe⟨U+202E⟩exe.txt"),
    ] {
        let text = text_of(&chromium.pdf(&page(address), dated()).await.unwrap());
        let joined: String = text.split_whitespace().collect();
        assert!(joined.contains(&shown.replace(' ', "")), "{text}");
    }
    chromium.close().await;
}

#[tokio::test]
async fn a_program_that_is_missing_or_no_browser_says_what_to_check() {
    for executable in ["/nowhere/chromium", "/bin/false"] {
        let options = Options { executable: PathBuf::from(executable), ..options() };
        let error = Chromium::launch(options).await.err().unwrap();
        let text = error.to_string();
        assert!(text.contains(executable) && text.contains("check that it is installed"), "{text}");
    }
}
