"""How a host's process lives and ends with troupe in it: every way in a process of its own.

Exit code 0: all is well. What hangs is ended after a time that no machine needs."""
import os
import subprocess
import sys

PATIENCE = 3600  # seconds: a hang, on any machine


def environment(command):
    """Sanitizers judge a process by what it leaves behind, and are no friends of fork()."""
    variables = dict(os.environ)
    if any("fork" in word or "exit" in word for word in command):
        variables["ASAN_OPTIONS"] = "detect_leaks=0"
    variables["TSAN_OPTIONS"] = os.environ.get("TSAN_OPTIONS", "") + ":die_after_fork=0"
    return variables


def run(*command):
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, env=environment(command))
    except subprocess.TimeoutExpired:
        return None


def problem(result):
    if result is None:
        return f"has not ended in {PATIENCE} s"
    if result.returncode != 0:
        lines = (result.stderr or result.stdout).strip().splitlines()
        return f"exit code {result.returncode}" + (f": {lines[-1]}" if lines else "")
    return None


def ends_of_life(folder):
    """fault 1 and fault 11: statics, other threads, fork, on_step and the log callback."""
    program = os.path.join(folder, "lives")
    ways = run(program).stdout.split()
    assert len(ways) >= 20, ways
    if os.environ.get("TROUPE_SANITIZE") == "thread":
        print("skipped: fork_destroys: the thread sanitizer ends a child of fork() that starts threads")
        ways = [way for way in ways if not way.startswith("fork_destroys")]
    return {f"fault {11 if way.startswith('waits') or 'on_step' in way else 1}: {way}": problem(run(program, way)) for way in ways}


def few_threads(folder):
    """fault 4: with so few threads allowed, one Error, or a model that speaks; never a crash, never a hang."""
    program = os.path.join(folder, "few_threads")
    if not os.path.exists(program):
        print("skipped: few_threads is not built with sanitizers, which start threads of their own")
        return {}
    results = {}
    for plan in ("tp1", "pp2", "tp2", "dp2"):
        said = []
        for allowed in range(64):
            name = f"fault 4: {plan} with {allowed} threads"
            result = run(program, plan, str(allowed))
            results[name] = problem(result)
            said.append(result.stdout.split(":")[0].split("\n")[0] if result else "")
            if said[-1] == "spoke":
                break
        refused = len([word for word in said if word == "refused"])
        if refused == 0 or said[-1] != "spoke":
            results[f"fault 4: {plan}"] = f"of {len(said)} numbers of threads {refused} were refused; the last one {said[-1]}"
    return results


def main():
    folder = os.path.join(os.environ["TROUPE_BUILD"], "tests")
    results = ends_of_life(folder) | few_threads(folder)
    for name, wrong in results.items():
        print(f"{name}: {wrong or 'ok'}")
    return 1 if any(results.values()) else 0


sys.exit(main())
