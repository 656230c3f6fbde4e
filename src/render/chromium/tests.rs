//! The printer against a real Chromium. These tests need one, and `pdftotext`.

mod hostile;

use std::io::Write as _;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use evidence::time::Time;

use super::{Chromium, Options, WORD};
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

/// Of the browser, if there is one at the moment.
async fn pid(chromium: &Chromium) -> Option<u32> {
    chromium.live.lock().await.as_ref().and_then(|live| live.process.pid())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_report_gives_the_same_bytes_in_any_browser() {
    let page = html(&report(10, "aws_security_group_rule.ssh")).unwrap();
    let (one, other) = (chromium().await, chromium().await);
    let pdf = one.pdf(&page, dated()).await.unwrap();
    assert!(pdf == one.pdf(&page, dated()).await.unwrap());
    assert!(pdf == other.pdf(&page, dated()).await.unwrap());
    assert!(text_of(&pdf).contains("Page 2 of "));
    one.close().await;
    other.close().await;
}

/// What a program of poppler says of a PDF.
fn said(program: &str, pdf: &[u8]) -> String {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(pdf).unwrap();
    let out = Command::new(program).arg(file.path()).output().unwrap();
    assert!(out.status.success(), "{program}");
    String::from_utf8_lossy(&out.stdout).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_report_is_tagged_titled_bookmarked_and_brings_its_own_fonts() {
    let chromium = chromium().await;
    let page = html(&report(10, "aws_security_group_rule.Größe_Ελλάδα_Киев")).unwrap();
    let pdf = chromium.pdf(&page, dated()).await.unwrap();
    let info = said("pdfinfo", &pdf);
    let value = |name: &str| {
        let line = info.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_else(|| panic!("{name} {info}")).trim().to_owned()
    };
    assert_eq!(value("Tagged:"), "yes");
    assert_eq!(value("JavaScript:"), "no");
    assert!(value("Title:").starts_with("Compliance Pack of Acme GmbH & Co. KG, 1 January 2026"));
    assert!(value("Page size:").contains("A4"), "{info}");
    let raw = String::from_utf8_lossy(&pdf);
    assert!(raw.contains("/Outlines") && raw.contains("/Lang"), "bookmarks and language");
    let fonts = said("pdffonts", &pdf);
    let fonts: Vec<_> = fonts.lines().skip(2).collect();
    assert!(fonts.iter().any(|font| font.contains("IBMPlexSans")), "{fonts:?}");
    assert!(
        fonts.iter().all(|font| font.contains("IBMPlex") && font.contains(" yes yes yes ")),
        "{fonts:?}"
    );
    let text = text_of(&pdf);
    assert!(text.contains("Größe_Ελλάδα_Киев"), "{text}");
    // The head of every page but the first; markup in a name would have shown as such.
    assert!(text.contains("Acme GmbH & Co. KG · 1 January 2026 to 31 March 2026"), "{text}");
    chromium.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn letter_is_letter() {
    let chromium = chromium().await;
    let letter = crate::Report { paper: crate::Paper::Letter, ..report(3, "a") };
    let pdf = chromium.pdf(&html(&letter).unwrap(), dated()).await.unwrap();
    assert!(said("pdfinfo", &pdf).contains("612 x 792 pts (letter)"));
    chromium.close().await;
}

/// The report of 100,000 findings is not longer than that of ten: lists are cut, and say so.
#[tokio::test(flavor = "multi_thread")]
async fn the_report_does_not_grow_with_the_findings() {
    let chromium = chromium().await;
    let mut pages = Vec::new();
    for findings in [0, 10, 100_000] {
        let page = html(&report(findings, "aws_security_group_rule.ssh")).unwrap();
        let pdf = chromium.pdf(&page, dated()).await.unwrap();
        if let Some(folder) = std::env::var_os("DRIFTPACK_TEST_KEEP_PDF") {
            let folder = PathBuf::from(folder);
            std::fs::write(folder.join(format!("report-{findings}.pdf")), &pdf).unwrap();
            std::fs::write(folder.join(format!("report-{findings}.html")), &page).unwrap();
        }
        assert!(pdf.len() < 1_000_000, "{}", pdf.len());
        let info = said("pdfinfo", &pdf);
        let count = info.lines().find_map(|line| line.strip_prefix("Pages:")).unwrap().trim();
        pages.push(count.parse::<u32>().unwrap());
    }
    assert!(pages[2] <= pages[1] + 1 && pages[0] <= pages[1], "{pages:?}");
    chromium.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_that_died_is_replaced() {
    let chromium = chromium().await;
    for _ in 0..2 {
        let first = pid(&chromium).await;
        let killed =
            Command::new("kill").args(["-9", &first.unwrap().to_string()]).status().unwrap();
        assert!(killed.success());
        let replaced = async {
            // Whoever looks after the page for the next print may find it dead, too, and take it away.
            while pid(&chromium).await.is_none_or(|now| Some(now) == first) {
                chromium.probe().await.unwrap();
            }
        };
        tokio::time::timeout(Duration::from_secs(30), replaced).await.unwrap();
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

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_neither_waits_for_a_print_nor_disturbs_it() {
    let chromium = chromium().await;
    let first = pid(&chromium).await;
    let page = html(&report(10, "a")).unwrap();
    let printing = chromium.pdf(&page, dated());
    let mut printing = std::pin::pin!(printing);
    assert!(futures_util::poll!(printing.as_mut()).is_pending());
    assert!(chromium.live.try_lock().is_err(), "the print has begun");
    let asked = futures_util::FutureExt::now_or_never(chromium.probe());
    asked.expect("it answers at once").unwrap();
    printing.await.unwrap();
    chromium.probe().await.unwrap();
    assert_eq!(pid(&chromium).await, first);
    chromium.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_that_is_given_up_still_starts_the_browser() {
    let chromium = chromium().await;
    chromium.close().await;
    let impatient = tokio::time::timeout(Duration::from_millis(1), chromium.probe()).await;
    assert!(impatient.is_err());
    chromium.pdf(WORD, dated()).await.unwrap();
    let first = pid(&chromium).await;
    chromium.probe().await.unwrap();
    assert_eq!(pid(&chromium).await, first);
    chromium.close().await;
}

/// A program that says where it listens, as Chromium does, and then never answers there.
#[tokio::test(flavor = "multi_thread")]
async fn a_browser_that_accepts_and_never_answers_is_given_up_and_leaves_nothing() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (program, marker) = (folder.path().join("chromium"), folder.path().join("helper"));
    let script = format!(
        "#!/bin/sh\nsleep 1000 & echo $! > {}\necho DevTools listening on ws://{}/devtools >&2\nwait\n",
        marker.display(),
        silent.local_addr().unwrap()
    );
    std::fs::write(&program, script).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&program, mode).unwrap();
    let timeout = Duration::from_secs(2);
    let options = Options { executable: program, timeout, ..options() };
    let error = Chromium::launch(options).await.err().unwrap();
    assert!(error.to_string().contains("not ready within"), "{error}");
    let helper = std::fs::read_to_string(marker).unwrap();
    let stat = format!("/proc/{}/stat", helper.trim());
    let gone = async {
        // A killed process that nobody waited for yet is a zombie.
        while std::fs::read_to_string(&stat).is_ok_and(|stat| !stat.contains(") Z ")) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), gone).await.unwrap();
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
