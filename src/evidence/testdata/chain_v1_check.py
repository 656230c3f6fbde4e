"""Checks chain_v1_vectors.json with nothing but Python's standard library.

An implementation of the canonical text and hash that shares no code with the product. It holds for
entries whose keys are ASCII, as those of the vectors are: beyond that, RFC 8785 sorts keys by
UTF-16 units and Python by code points.

    python3 chain_v1_check.py chain_v1_vectors.json
"""

import hashlib
import json
import sys


def canonical(entry):
    return json.dumps(entry, ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def main(path):
    with open(path, encoding="utf-8") as file:
        document = json.load(file)
    previous = None
    for vector in document["vectors"]:
        text = canonical(vector["entry"])
        digest = hashlib.sha256(b"v1\n" + text.encode("utf-8")).hexdigest()
        assert text == vector["canonical"], f"{vector['name']}: canonical text differs"
        assert digest == vector["hash"], f"{vector['name']}: hash differs"
        assert vector["entry"]["prev_hash"] == previous, f"{vector['name']}: link differs"
        previous = digest
    print(f"{len(document['vectors'])} vectors agree")


if __name__ == "__main__":
    main(sys.argv[1])
