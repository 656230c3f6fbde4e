"""The parts of the verifier; whole and damaged packs are in `tests/verify.rs`, which holds it to what `driftpack verify` says."""

import tempfile
import unittest
import zipfile
from pathlib import Path

from driftpack_client import BrokenPack, verify
from driftpack_client.verify_pack import Fault, canonical, clean, is_signed, parse, percent, read_key, typed

# RFC 8032, 7.1: public key, message, signature.
VECTORS = [
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
]


class Verify(unittest.TestCase):
    def test_a_file_that_is_no_pack_is_refused_with_the_reason(self):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "pack.zip")
            path.write_bytes(b"hello")
            with self.assertRaisesRegex(BrokenPack, "truncated: archive: .* no ZIP"):
                verify(path)
            with zipfile.ZipFile(path, "w") as archive:
                archive.writestr("data.json", b"{}")
            with self.assertRaisesRegex(BrokenPack, "broken: archive: it is not the file that driftpack wrote"):
                verify(path)
            with self.assertRaisesRegex(BrokenPack, "cannot be read"):
                verify(Path(folder, "nothing.zip"))

    def test_the_published_signatures_are_right_and_changed_ones_are_not(self):
        for key, message, signature in VECTORS:
            key, message, signature = (bytes.fromhex(text) for text in (key, message, signature))
            self.assertTrue(is_signed(key, message, signature))
            self.assertFalse(is_signed(key, message + b"x", signature))
            for at in (0, 31, 32, 63):
                changed = signature[:at] + bytes([signature[at] ^ 1]) + signature[at + 1 :]
                self.assertFalse(is_signed(key, message, changed), at)
            # the same number, written longer: S plus the order of the group
            s = int.from_bytes(signature[32:], "little") + 2**252 + 27742317777372353535851937790883648493
            self.assertFalse(is_signed(key, message, signature[:32] + s.to_bytes(32, "little")))
        weak = bytes([1]) + bytes(31)
        self.assertFalse(is_signed(weak, b"", weak + bytes(32)))

    def test_a_key_is_read_from_every_form_and_from_no_other(self):
        raw = bytes.fromhex(VECTORS[0][0])
        pem = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n-----END PUBLIC KEY-----\n"
        for text in (VECTORS[0][0], "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=", pem):
            self.assertEqual(read_key(text), raw)
        for text in ("", VECTORS[0][0][:-2], pem.replace("MCow", "MCoy"), "é"):
            with self.assertRaises(Fault, msg=text):
                read_key(text)

    def test_json_that_two_readers_read_differently_is_refused(self):
        for raw in (b'{"a":1,"a":1}', b"NaN", b"[Infinity]", b"1e999", b'"\\ud800"', b"\xef\xbb\xbf1", b"1 2", b"[" * 5000, b'"\xff"', b"{"):
            with self.assertRaises((Fault, ValueError, RecursionError), msg=raw):
                parse(raw)
        self.assertEqual(parse(b' {"a":[1,2.5,null]}\n'), {"a": [1, 2.5, None]})
        self.assertEqual(clean(["x"]), ["x"])

    def test_the_canonical_text_is_that_of_rfc_8785(self):
        value = {"\U0001f600": 1, "\ufb33": 2, "€": 3, "\r": 4, "1": 5, "b": [True, None, 'q"\\\u0001/é']}
        expected = '{"\\r":4,"1":5,"b":[true,null,"q\\"\\\\\\u0001/é"],"€":3,"😀":1,"\ufb33":2}'
        self.assertEqual(canonical(value), expected)
        value = {"b": {"z": [1, {}], "a": "\u007f\t"}, "a": []}
        self.assertEqual(canonical(value), '{"a":[],"b":{"a":"\u007f\\t","z":[1,{}]}}')

    def test_cells_and_percentages_are_read_as_they_are_written(self):
        cells = [("", "'=1", "=1"), ("", "'x", "'x"), ("#", "-5", -5), ("#", "7.50", 7.5), ("?", "true", True), ("*", "a; b", "a; b"), ("#", "", None)]
        for kind, cell, value in cells:
            self.assertEqual(typed(kind, cell), value)
        for kind, cell in [("", "=1"), ("#", "inf"), ("#", "1e5"), ("#", "１"), ("@", "2026-01-01"), ("?", "yes")]:
            with self.assertRaises(Fault, msg=cell):
                typed(kind, cell)
        times = "2026-02-30T00:00:00.000000Z", "2026-01-01T24:00:00.000000Z", "2026-01-01T00:00:60.000000Z", "2026-01-01T00:00:0\u0661.000000Z"
        for cell in times:
            with self.assertRaises((Fault, ValueError), msg=cell):
                typed("@", cell)
        shares = [percent({"numerator": part, "denominator": of}) for part, of in [(0, 0), (0, 7), (7, 7), (1, 3), (9999, 10000), (1, 10**6)]]
        self.assertEqual(shares, [None, 0.0, 100.0, 33.3, 99.9, 0.1])


if __name__ == "__main__":
    unittest.main()
