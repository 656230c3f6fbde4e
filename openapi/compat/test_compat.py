"""Breaking changes made to the real contract are found, and harmless ones are not."""

import contextlib
import copy
import io
import pathlib
import tempfile
import unittest

import yaml

import compat

CONTRACT = compat.load(pathlib.Path(__file__).parent.parent / "driftpack.yaml")
EXPORTS = "/api/v2/orgs/{org_id}/audit-exports"


class Changes(unittest.TestCase):
    def setUp(self):
        self.now = copy.deepcopy(CONTRACT)

    def schema(self, name):
        return self.now["components"]["schemas"][name]

    def operation(self, method, path=EXPORTS):
        return self.now["paths"][path][method]

    def parameter(self, name, method="get"):
        return next(one for one in self.operation(method)["parameters"] if one["name"] == name)

    def breaks(self, *words):
        found = compat.changes(CONTRACT, self.now)
        self.assertTrue(found, "nothing was found")
        for word in words:
            self.assertTrue(all(word in change for change in found), found)

    def is_harmless(self):
        self.assertEqual(compat.changes(CONTRACT, self.now), [])

    def test_the_same_contract_breaks_nothing(self):
        self.is_harmless()

    def test_an_operation_is_gone(self):
        del self.now["paths"][EXPORTS]["post"]
        self.breaks("requestAuditExport", "is gone")

    def test_an_operation_has_another_path(self):
        self.now["paths"]["/api/v2/elsewhere"] = self.now["paths"].pop(EXPORTS)
        self.breaks("is gone")

    def test_an_operation_has_another_name(self):
        self.operation("get")["operationId"] = "listPacks"
        self.breaks("listAuditExports", "listPacks")

    def test_a_path_parameter_may_be_renamed(self):
        item = self.now["paths"].pop(EXPORTS)
        self.now["paths"][EXPORTS.replace("org_id", "org")] = item
        for operation in item.values():
            operation["parameters"][0]["name"] = "org"
        self.is_harmless()

    def test_a_kind_of_credentials_is_no_longer_taken(self):
        self.operation("get")["security"] = [{"oidc": []}]
        self.breaks("no longer takes api_key")

    def test_credentials_are_asked_for(self):
        self.operation("get", "/healthz")["security"] = [{"oidc": []}]
        self.breaks("getHealth", "without credentials")

    def test_another_kind_of_credentials_is_taken_too(self):
        self.operation("post")["security"].append({"api_key": []})
        self.is_harmless()

    def test_a_parameter_is_gone(self):
        self.operation("get")["parameters"].remove(self.parameter("status"))
        self.breaks("the query parameter status is gone")

    def test_a_parameter_is_required(self):
        self.parameter("status")["required"] = True
        self.breaks("status is required now")

    def test_a_new_parameter(self):
        new = {"name": "x", "in": "query", "required": False, "schema": {"type": "string"}}
        self.operation("get")["parameters"].append(new)
        self.is_harmless()
        new["required"] = True
        self.breaks("x is new and required")

    def test_the_bounds_of_a_parameter(self):
        self.parameter("limit")["schema"]["maximum"] = 5000
        self.is_harmless()
        self.parameter("limit")["schema"]["maximum"] = 500
        self.breaks("limit has a stricter maximum")

    def test_the_type_of_a_parameter(self):
        self.parameter("limit")["schema"]["type"] = "string"
        self.breaks("limit has another type")

    def test_a_body_asks_for_more(self):
        schema = self.schema("AuditExportRequest")
        schema["properties"]["format"] = {"type": "string"}
        self.is_harmless()
        schema["required"].append("format")
        self.breaks("body.format is new and required")

    def test_a_body_takes_less(self):
        del self.schema("WorkflowRedrive")["properties"]["error"]
        self.breaks("body.error is no longer taken")

    def test_a_media_type_is_no_longer_taken(self):
        del self.operation("post", "/api/v2/orgs/{org_id}/scans")["requestBody"]["content"]["application/x-ndjson"]
        self.breaks("ingestScan", "application/x-ndjson")

    def test_a_word_is_no_longer_taken(self):
        self.schema("Decision")["enum"].pop()
        self.breaks("decideFinding", "no longer takes")

    def test_an_answer_is_gone(self):
        answers = self.operation("post")["responses"]
        answers["201"] = answers.pop("202")
        self.breaks("202 is gone")

    def test_errors_come_and_go(self):
        answers = self.operation("post")["responses"]
        answers["418"] = answers.pop("402")
        self.is_harmless()

    def test_a_member_of_an_answer_is_gone(self):
        schema = self.schema("AuditExport")
        del schema["properties"]["sha256"]
        self.breaks("sha256 is gone")

    def test_a_member_of_an_answer_is_new(self):
        self.schema("AuditExport")["properties"]["colour"] = {"type": "string"}
        self.schema("AuditExport")["required"].append("colour")
        self.is_harmless()

    def test_a_member_of_an_answer_may_be_missing(self):
        self.schema("AuditExport")["required"].remove("status")
        self.breaks("status may be missing now")

    def test_a_member_of_an_answer_may_be_null(self):
        self.schema("AuditExport")["properties"]["expires_at"]["nullable"] = True
        self.breaks("expires_at may be null now")

    def test_a_member_of_an_answer_has_another_type(self):
        self.schema("AuditExport")["properties"]["size_bytes"]["type"] = "string"
        self.breaks("size_bytes has another type")

    def test_a_member_far_inside_has_another_format(self):
        del self.schema("AuditExportEntry")["properties"]["bytes"]["format"]
        self.breaks("entries[].bytes has another format")

    def test_a_member_behind_an_all_of_is_looked_at(self):
        self.schema("AuditExportFailure")["properties"]["code"]["type"] = "integer"
        self.breaks("error.code has another type")

    def test_an_answer_has_a_new_word(self):
        self.schema("HealthStatus")["enum"].append("tired")
        self.breaks("may be tired now")

    def test_a_header_may_be_missing(self):
        self.operation("post")["responses"]["202"]["headers"]["Location"]["required"] = False
        self.breaks("may lack the header Location")

    def test_words_may_change(self):
        self.operation("get")["summary"] = "Another"
        self.schema("AuditExport")["description"] = "Another"
        self.operation("post")["requestBody"]["content"]["application/json"]["example"] = {}
        self.is_harmless()

    def run_main(self):
        with tempfile.TemporaryDirectory() as folder:
            paths = [pathlib.Path(folder, name) for name in ("earlier", "now")]
            for path, document in zip(paths, (CONTRACT, self.now)):
                path.write_text(yaml.safe_dump(document))
            with contextlib.redirect_stdout(io.StringIO()) as said:
                return compat.main([str(path) for path in paths]), said.getvalue()

    def test_the_program_fails_unless_the_major_version_rises(self):
        self.assertEqual(self.run_main(), (0, ""))
        del self.now["paths"]["/healthz"]
        code, said = self.run_main()
        self.assertEqual((code, said), (1, "BREAKING  getHealth: GET /healthz is gone\n"))
        self.now["info"]["version"] = f"{compat.major(CONTRACT) + 1}.0.0"
        self.assertEqual(self.run_main()[0], 0)


if __name__ == "__main__":
    unittest.main()
