"""Verifies a ledger in the form of docs/design/ledger-vectors.json: docs/design/ledger.md. Needs Python 3 alone."""
import hashlib, hmac, json, struct, sys, uuid


def expect(fits, what):
    if not fits:
        sys.exit(f"{what} does not fit")


def signed(record, previous):
    job = uuid.UUID(record["jobId"]).bytes if record["jobId"] else bytes(16)
    numbers = record["uid"], record["seq"], record["count"], record["isRejected"], job, record["atMicros"]
    return struct.pack(">17s32sqqhB16sq", b"satchel/record/2\0", previous, *numbers) + record["body"].encode()


def mac(key, message):
    key_id = hmac.digest(key, b"satchel/ledger-key/1\0", "sha256")[:4]
    return (key_id + hmac.digest(key, key_id + message, "sha256")[:16]).hex()


ledger = json.load(open(sys.argv[1], encoding="utf-8"))
key, head = bytes.fromhex(ledger["key"]), ledger["head"]
version, end = 0, bytes(32)
for record in ledger["chain"]:
    what = f"the record of change {record['seq']}"
    expect(record["uid"] == head["uid"] and record["seq"] == version + 1 and record["count"] > 0, what)
    version, end = version + record["count"], hashlib.sha256(signed(record, end)).digest()
    expect(end.hex() == record["seal"], what)
expect((head["version"], head["hash"]) == (version, end.hex()), "the head")
message = struct.pack(">15sqq32sq", b"satchel/head/2\0", head["uid"], version, end, head["decidedAtMicros"])
expect(hmac.compare_digest(mac(key, message), head["mac"]), "the head's MAC")
for record in ledger["alone"]:
    fits = record["count"] == 0 and hmac.compare_digest(mac(key, signed(record, bytes(32))), record["seal"])
    expect(fits, f"the record of job {record['jobId']}")
print(f"{len(ledger['chain'])} records in the chain, its head, and {len(ledger['alone'])} records alone fit")
