//! Against an authority of OpenSSL's, honest and not.

use super::*;
use crate::digest::sha256_hex;
use crate::testing::Authority;

const NONCE: [u8; 8] = [0xff, 2, 3, 4, 5, 6, 7, 8];

fn sha256(bytes: &[u8]) -> [u8; 32] {
    hex::decode(sha256_hex(bytes)).unwrap().try_into().unwrap()
}

fn now() -> Time {
    let out = std::process::Command::new("date").arg("+%s").output().unwrap();
    let seconds: i64 = String::from_utf8(out.stdout).unwrap().trim().parse().unwrap();
    Time::from_timestamp(seconds, 0).unwrap()
}

#[test]
fn what_an_authority_of_openssl_answers_is_accepted_and_verified_by_openssl() {
    let authority = Authority::new();
    let folder = tempfile::tempdir().unwrap();
    let (data, reply) =
        (folder.path().join("MANIFEST.txt"), folder.path().join("MANIFEST.txt.tsr"));
    std::fs::write(&data, "a list").unwrap();
    let request = Request::new(sha256(b"a list"), NONCE);
    let answer = authority.answer(request.der());
    std::fs::write(&reply, &answer).unwrap();
    let token = request.accept(&answer, now()).unwrap();
    assert_eq!(token.policy, "1.2.3.4.1");
    assert!(token.is_over(&sha256(b"a list")) && !token.is_over(&sha256(b"another")));
    assert!(authority.verifies(&data, &reply));
    std::fs::write(&data, "a lisp").unwrap();
    assert!(!authority.verifies(&data, &reply));
}

#[test]
fn an_answer_to_another_request_is_refused() {
    let authority = Authority::new();
    let request = Request::new(sha256(b"a"), NONCE);
    let other_bytes = authority.answer(Request::new(sha256(b"b"), NONCE).der());
    assert_eq!(request.accept(&other_bytes, now()), Err(Fault::Imprint));
    let other_nonce = authority.answer(Request::new(sha256(b"a"), [9; 8]).der());
    assert_eq!(request.accept(&other_nonce, now()), Err(Fault::Nonce));
    let own = authority.answer(request.der());
    assert_eq!(request.accept(&own, now() + TimeDelta::hours(2)), Err(Fault::Clock));
}

#[test]
fn what_is_no_granted_token_is_refused() {
    let authority = Authority::new();
    let request = Request::new(sha256(b"a"), NONCE);
    // OpenSSL answers what is no request with a refusal.
    assert_eq!(Token::read(&authority.answer(b"no request")), Err(Fault::Refused));
    assert_eq!(Token::read(b"<html>sign in to the hotel's network</html>"), Err(Fault::NotDer));
    assert_eq!(Token::read(&vec![0x30; BYTES_MAX + 1]), Err(Fault::TooLarge));
    assert_eq!(Token::read(b""), Err(Fault::NotDer));
    // Granted, and nothing with it.
    assert_eq!(Token::read(&[0x30, 5, 0x30, 3, 2, 1, 0]), Err(Fault::NoToken));
    let answer = authority.answer(request.der());
    let trailing = [&answer[..], b"x"].concat();
    assert_eq!(Token::read(&trailing), Err(Fault::NotDer));
}

/// Every byte of a real answer in turn: whatever becomes of it, it is read without a panic, and never as one over other bytes.
#[test]
fn no_changed_byte_makes_the_reader_panic_or_moves_the_imprint() {
    let authority = Authority::new();
    let request = Request::new(sha256(b"a"), NONCE);
    let answer = authority.answer(request.der());
    for position in 0..answer.len() {
        for change in [0x01, 0x80, 0xff] {
            let mut changed = answer.clone();
            changed[position] ^= change;
            if let Ok(token) = request.accept(&changed, now()) {
                assert!(token.is_over(&sha256(b"a")), "byte {position}");
            }
        }
        assert!(Token::read(&answer[..position]).is_err());
    }
}
