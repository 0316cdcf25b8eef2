"""Holds our rendering of chat templates to Jinja2's, byte for byte: features.json, which the tests in C++ read, and the
templates that model makers published, in the conversations of conversations.py, with and without generation prompt.

TROUPE_BIN      the command; without it everything is skipped (exit code 77)
TROUPE_SHARED   a folder with peers/get-llama-cpp.sh, which gets the published templates; without it they are skipped
Jinja2 is installed into a virtual environment under ~/.cache/troupe where this Python has none.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from modules import restart_with, skip

HERE = pathlib.Path(__file__).resolve().parent
BINARY = os.environ.get("TROUPE_BIN", "")
PEERS = pathlib.Path(os.environ.get("TROUPE_SHARED") or HERE / "../../../shared") / "peers" / "get-llama-cpp.sh"
DATE = "2026-01-31"
PATIENCE = 3600  # seconds: a hang, on any machine

try:
    import conversations
    import reference
except ImportError:
    restart_with("jinja2", "Jinja2", "jinja2==3.1.6")


def features_agree():
    features = json.loads((HERE / "features.json").read_text(encoding="utf-8"))
    wrong = 0
    for feature in features["features"]:
        kind, text = reference.render(feature["template"], features["messages"], None, True, "<s>", "</s>", DATE)
        expected = {"text": text} if kind == "text" else {"refused": text} if kind == "refused" else {"fails": True}
        if feature != {"template": feature["template"], **expected}:
            wrong += 1
            print(f"features.json: {feature} is in Jinja2 {kind}: {text!r}")
    print(f"{len(features['features'])} features, {wrong} unlike Jinja2")
    return wrong == 0


def troupe_render(template, messages, tools, prompt):
    flags = ["--template", template, "--messages", messages, "--date", DATE]
    flags += ["--tools", tools] if tools else []
    flags += [] if prompt else ["--no-generation-prompt"]
    return subprocess.run([BINARY, "render", *flags], capture_output=True, timeout=PATIENCE, check=False)


def difference(ours, kind, expected):
    """What is not as Jinja2 has it; None where everything is."""
    said = ours.stderr.decode()
    if kind == "text":
        if ours.returncode != 0:
            return said
        got = ours.stdout.decode()
        if got == expected:
            return None
        at = len(os.path.commonprefix([got, expected]))
        return f"at {at}: {got[max(0, at - 40):at + 40]!r} instead of {expected[max(0, at - 40):at + 40]!r}"
    if ours.returncode == 0:
        return f"renders, where Jinja2 says: {expected}"
    if "chat template, line " not in said:
        return said
    if kind == "refused" and f": it says: {expected.splitlines()[0]}" not in said:
        return f"{said.strip()} instead of {expected}"
    return None


def published_agree(folder):
    """Every template in every conversation."""
    count = wrong = failing = 0
    with tempfile.TemporaryDirectory() as scratch:
        files = {}
        for name, (messages, tools) in conversations.ALL.items():
            files[name] = []
            for part in (messages, tools):
                path = os.path.join(scratch, f"{len(files)}.{len(files[name])}.json")
                pathlib.Path(path).write_text(json.dumps(part), encoding="utf-8")
                files[name].append(path if part else None)
        for template in sorted(folder.glob("*.jinja")):
            text = template.read_text(encoding="utf-8")
            for name, (messages, tools) in conversations.ALL.items():
                for prompt in (True, False):
                    kind, expected = reference.render(text, messages, tools, prompt, "", "", DATE)
                    found = difference(troupe_render(template, *files[name], prompt), kind, expected)
                    count += 1
                    failing += kind != "text"
                    wrong += found is not None
                    if found:
                        print(f"{template.name}, {name}, generation prompt {prompt}: {found}")
    templates = len(list(folder.glob("*.jinja")))
    print(f"{templates} templates, {count} renderings, {failing} of them errors in Jinja2, {wrong} unlike it")
    return wrong == 0 and templates > 0


def main():
    if not features_agree():
        sys.exit(1)
    if not os.access(BINARY, os.X_OK):
        skip("TROUPE_BIN names no command")
    if not PEERS.exists():
        skip(f"the published templates, which {PEERS} would get, are not here")
    got = subprocess.run(["bash", PEERS], capture_output=True, check=False)
    if got.returncode != 0:
        skip(f"{PEERS} cannot get the published templates (no network?)")
    sys.exit(0 if published_agree(pathlib.Path(got.stdout.decode().strip()) / "models/templates") else 1)


if __name__ == "__main__":
    main()
