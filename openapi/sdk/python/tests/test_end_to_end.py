"""A scan goes in and a pack comes out of a running service: see `tests/sdk.rs`, which starts it."""

import json
import os
import tempfile
import unittest
from datetime import UTC, datetime
from pathlib import Path

from driftpack_client import ApiError, BrokenPack, Driftpack, verify, verify_with_program

URL, ORG = os.environ["DRIFTPACK_URL"], os.environ["DRIFTPACK_ORG"]
PERIOD = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)


class EndToEnd(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def test_a_scan_goes_in_and_a_verified_pack_comes_out(self):
        with Driftpack(URL, os.environ["DRIFTPACK_API_KEY"]) as machine:
            scan = Path(os.environ["DRIFTPACK_SCAN_FILE"])
            ci = {"repository": "acme/infra", "run_url": "https://ci.example.com/runs/17"}
            first = machine.organisation(ORG).ingest(scan, state_source="python", ci=ci)
            again = machine.organisation(ORG).ingest(scan.read_bytes(), state_source="python")
            self.assertEqual((first.id, first.drifted), (again.id, 1))
        with Driftpack(URL, os.environ["DRIFTPACK_TOKEN"]) as person:
            org = person.organisation(ORG)
            row = org.request_pack(*PERIOD, idempotency_key="python")
            self.assertEqual(org.request_pack(*PERIOD, idempotency_key="python").id, row.id)
            seen = []
            done = org.wait_until_done(row.id, seconds=240, every=0.2, on_progress=seen.append)
            self.assertEqual(seen[-1].id, done.id)
            pack = org.download_to(row.id, self.folder)
            self.assertEqual(pack.name, done.file_name)
            self.assertEqual(verify(pack).keys(), {entry.name for entry in done.entries} - {"MANIFEST.txt"})
            report = verify_with_program(pack, program=os.environ["DRIFTPACK_BIN"])
            self.assertEqual(report["result"], "ok")
            self.assertEqual([path.name for path in self.folder.iterdir()], [pack.name])
            pack.write_bytes(pack.read_bytes()[:-100])
            with self.assertRaises(BrokenPack):
                verify_with_program(pack, program=os.environ["DRIFTPACK_BIN"])
            org.delete_pack(row.id)
            with self.assertRaises(ApiError) as refused:
                org.download_to(row.id, self.folder)
            self.assertEqual((refused.exception.status, refused.exception.code), (410, "gone"))

    def test_a_refusal_has_its_code_and_its_context(self):
        with Driftpack(URL, os.environ["DRIFTPACK_API_KEY"]) as machine:
            self.assertEqual(str(machine.me().orgs[0].id), ORG)
            with self.assertRaises(ApiError) as refused:
                machine.organisation(ORG).request_pack(*PERIOD)
            self.assertEqual((refused.exception.status, refused.exception.code), (403, "oidc_required"))
            with self.assertRaises(ApiError) as refused:
                machine.organisation(ORG).ingest(json.dumps({}).encode(), state_source="python")
            self.assertEqual(refused.exception.code, "unknown_format")


if __name__ == "__main__":
    unittest.main()
