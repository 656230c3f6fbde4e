"""The contract in the words that a generator understands.

    plain.py rust|python|typescript <driftpack.yaml >contract.json

The contract says what is true; no generator reads all of it. What is left out here is left out of one SDK's generated
code only, and its hand-written part makes up for it:

- everywhere, `allOf` of a reference and a description, as poem-openapi writes it, is a reference with a description;
- Rust: an operation has one type of body, of success and of error: a scan is bytes, and what `getReadiness` says with 503 is no
  error that it reads. Texts are texts, not a type for each length and pattern, which the service checks anyway;
- Python and TypeScript: a scan is bytes, whatever its media type.
"""

import json
import sys

import yaml

BYTES = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}


def plain(document, target):
    document = joined(document)
    if target == "rust":
        document = unbounded(document)
    for item in document["paths"].values():
        for operation in item.values():
            content = operation.get("requestBody", {}).get("content", {})
            if len(content) > 1:
                operation["requestBody"]["content"] = BYTES
            if target == "rust":
                one_type_of_error(operation)
    return document


def one_type_of_error(operation):
    for status, answer in list(operation["responses"].items()):
        body = answer.get("content", {}).get("application/json", {}).get("schema", {})
        if status >= "400" and body.get("$ref") != "#/components/schemas/Problem":
            del operation["responses"][status]


def unbounded(value):
    """Without lengths and patterns of texts."""
    if isinstance(value, list):
        return [unbounded(one) for one in value]
    if not isinstance(value, dict):
        return value
    dropped = ("minLength", "maxLength", "pattern") if value.get("type") == "string" else ()
    return {name: unbounded(member) for name, member in value.items() if name not in dropped}


def joined(value):
    """Without the parts of `allOf` that only describe."""
    if isinstance(value, list):
        return [joined(one) for one in value]
    if not isinstance(value, dict):
        return value
    read = {name: joined(member) for name, member in value.items()}
    if isinstance(read.get("allOf"), list):
        references = [one for one in read["allOf"] if "$ref" in one]
        if len(references) == 1 and all(set(one) <= {"$ref", "description", "nullable"} for one in read["allOf"]):
            read["allOf"] = references
    return read


if __name__ == "__main__":
    json.dump(plain(yaml.safe_load(sys.stdin), sys.argv[1]), sys.stdout, indent=1, sort_keys=True)
