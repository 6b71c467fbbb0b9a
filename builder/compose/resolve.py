"""nosa's hands on dnf 4 and rpm.

One request comes as JSON on stdin. Events go as JSON lines to stdout; the last one is "result" or
"error". Nothing is read from the host's dnf configuration.
"""
import difflib
import json
import logging
import os
import re
import shutil
import sys
import tempfile

import dnf
import hawkey
import rpm

MAX_GROUPS = 5  # conflicts that are explained; each costs some dozens of solver runs
OUT = os.fdopen(os.dup(1), "w")  # os.dup: not inherited by scriptlets


def emit(event, **fields):
    OUT.write(json.dumps({"event": event, **fields}) + "\n")
    OUT.flush()


class Refused(Exception):
    """A problem that the caller explains to the author of the request."""

    def __init__(self, kind, **data):
        super().__init__(kind)
        self.kind, self.data = kind, data


# --- resolve ---

class Warnings(logging.Handler):
    """Passes dnf's warnings on, but keeps what it says of mirrors for the error that follows."""

    def __init__(self):
        super().__init__(logging.WARNING)
        self.mirrors = []

    def emit(self, record):
        first, *rest = record.getMessage().split("\n")
        if rest and all(line.startswith("  - ") for line in rest):
            self.mirrors = [line[4:] for line in rest]
            return
        emit("log", text="\n".join([first, *rest]))


def open_base(req):
    cachedir = req["cachedir"]
    conf = dnf.conf.Conf()
    conf.substitutions.clear()
    conf.arch = req["arch"]
    conf.substitutions.update(req["vars"])
    settings = {
        "installroot": os.path.join(cachedir, "empty"), "persistdir": os.path.join(cachedir, "persist"),
        "cachedir": cachedir, "logdir": cachedir, "config_file_path": os.devnull, "reposdir": req["repo_dirs"],
        "plugins": False, "cacheonly": req["offline"], "deltarpm": False, "skip_if_unavailable": False,
        "retries": 4, "timeout": 30, "minrate": 1, "user_agent": "nosa", "optional_metadata_types": ["filelists"],
    }
    for key, value in settings.items():
        setattr(conf, key, value)
    os.makedirs(conf.installroot, exist_ok=True)
    # The caller locks the cache. The pid that a killed run left in dnf's own lock file may belong to
    # another process by now (in a pid namespace it mostly does), and dnf would wait for that.
    lock = os.path.join(cachedir, "metadata_lock.pid")
    if os.path.exists(lock):
        os.remove(lock)
    base = dnf.Base(conf)
    base.read_all_repos()
    return base


def select_repos(base, req):
    wanted = set(req["repos"]) | set(req["lockfile_repos"])
    known = [{"id": r.id, "file": r.repofile, "enabled": bool(r.enabled)} for r in base.repos.values()]
    for repo in base.repos.values():
        if wanted:
            repo.disable()
        if repo.id in wanted:
            repo.enable()
    unknown = sorted(wanted - set(base.repos))
    if unknown or not any(base.repos.iter_enabled()):
        raise Refused("repos", unknown=unknown, known=sorted(known, key=lambda r: r["id"]))
    if req["override"]:
        repo = dnf.repo.Repo(req["override"]["id"], base.conf)
        repo.baseurl = [req["override"]["url"]]
        repo.cost, repo.module_hotfixes = 500, True
        base.repos.add(repo)
        repo._repo.setSyncStrategy(dnf.repo.SYNC_TRY_CACHE)


def load_repos(base, req, warnings):
    """Loads all enabled repositories and reports each that cannot be used, not just the first."""
    problems = []
    for repo in base.repos.iter_enabled():
        urls = [u for u in [*repo.baseurl, repo.metalink, repo.mirrorlist] if u]
        problem = {"id": repo.id, "url": " ".join(urls), "file": repo.repofile}
        unset = sorted({name for u in [*urls, *repo.gpgkey] for name in re.findall(r"\$\{?(\w+)", u)})
        if unset or not urls:
            problems.append({**problem, "unset": unset, "reason": "no baseurl, metalink or mirrorlist"})
            continue
        emit("repo", text=repo.id)
        repo.metadata_expire = -1  # only the next line makes it look for newer metadata, and only once
        if not req["offline"] or req["override"] and repo.id == req["override"]["id"]:
            repo._repo.expire()
        warnings.mirrors = []
        try:
            repo.load()
        except dnf.exceptions.RepoError as error:
            text = str(error).split("for repo '%s': " % repo.id)[-1]
            signature = bool(re.search(r"GPG|OpenPGP|signature", text))
            if not signature and warnings.mirrors:
                text = "; ".join(sorted(warnings.mirrors))
            problems.append({**problem, "reason": text, "signature": signature})
    if problems:
        raise Refused("repo", problems=problems)
    base.fill_sack(load_system_repo=False)


def sha256(pkg):
    kind, value = pkg.chksum
    if kind != hawkey.CHKSUM_SHA256:
        raise Refused("checksum", id=pkg.reponame, package=str(pkg))
    return value.hex()


def filters(base, req):
    """What the request hides from the solver: [(why, query)]. Reports locks that nothing fits."""
    query = base.sack.query
    other, locked = query().filterm(empty=True), query().filterm(empty=True)
    for name, want in sorted(req["lock"].items()):
        named = query().filterm(name=name)
        keep = named.filter(**{k: want[k] for k in ("evr", "arch") if want.get(k)})
        if want.get("sha256"):
            keep = keep.filter(pkg=[p for p in keep if sha256(p) == want["sha256"]])
        if not keep:
            emit("lock", name=name, available=sorted(str(p) + " " + p.reponame for p in named))
        other, locked = other.union(named.difference(keep)), locked.union(keep)
    if req["strict"]:
        other = query().difference(locked)
    if req["lockfile_repos"]:
        other = other.union(query().filterm(reponame=req["lockfile_repos"]).difference(locked))
    return [("lock", other), ("exclude", query().filterm(name=req["exclude"]))]


def mark(base, items, hidden):
    """Finds for each request the packages that satisfy it: [(index, [selector])]."""
    marks, missing = [], []
    everything = dnf.query.Query(base.sack, flags=hawkey.IGNORE_EXCLUDES)
    for index, item in enumerate(items):
        subject = dnf.subject.Subject(item["text"])
        selectors = subject._get_best_selectors(base, reponame=item["repo"] or None)
        if selectors:
            marks.append((index, selectors))
            continue
        found = subject.get_best_query(base.sack, with_src=False, query=everything)
        why = sorted({why for why, query in hidden if query.intersection(found)})
        missing.append({"index": index, "hidden": why, "repos": sorted({p.reponame for p in found})})
    if missing:
        names = sorted({p.name for p in everything})
        for item in missing:
            word = re.split(r"[\s<>=(]", items[item["index"]]["text"])[0]
            item["near"] = difflib.get_close_matches(word, names, n=3, cutoff=0.7)
        raise Refused("notfound", items=missing, searched=[r.id for r in base.repos.iter_enabled()])
    return marks


def solve(base, req, marks):
    goal = dnf.goal.Goal(base.sack)
    for _, selectors in marks:
        for selector in selectors:
            goal.install(select=selector, optional=False)
    return goal, goal.run(ignore_weak_deps=not req["weak"])


def core(fails, fixed, new, rest):
    """A smallest part of rest that fails together with fixed (QuickXplain); new: fixed has grown."""
    if new and fails(fixed):
        return []
    if len(rest) == 1:
        return rest
    left, right = rest[:len(rest) // 2], rest[len(rest) // 2:]
    second = core(fails, fixed + left, True, right)
    return core(fails, fixed + second, bool(second), left) + second


def explain(base, req, marks, hidden):
    groups = []
    while len(groups) < MAX_GROUPS and marks and not solve(base, req, marks)[1]:
        group = core(lambda part: not solve(base, req, part)[1], [], False, marks)
        goal, _ = solve(base, req, group)
        lines = [line for problem in goal.problem_rules() for line in problem if line != "conflicting requests"]
        nevras = re.findall(r"package (\S+) is filtered out by exclude filtering", "\n".join(lines))
        names = {why: sorted({p.name for p in query if str(p) in nevras}) for why, query in hidden}
        groups.append({"items": sorted(i for i, _ in group), "lines": lines, "hidden": names})
        marks = [m for m in marks if m not in group]
    return groups


def repo_facts(repo):
    access = {"username": repo.username, "password": repo.password, "proxy": repo.proxy,
              "proxy_username": repo.proxy_username, "proxy_password": repo.proxy_password,
              "ca": repo.sslcacert, "cert": repo.sslclientcert, "key": repo.sslclientkey,
              "insecure": not repo.sslverify}
    urls = list(repo._repo.getMirrors()) or list(repo.baseurl)
    return {"id": repo.id, "revision": repo._repo.getRevision(), "timestamp": repo._repo.getMaxTimestamp(),
            "urls": urls, "gpgcheck": bool(repo.gpgcheck), "gpgkey": list(repo.gpgkey),
            "access": {k: v for k, v in access.items() if v}}


def resolve(req):
    warnings = Warnings()
    logging.getLogger("dnf").addHandler(warnings)
    base = open_base(req)
    select_repos(base, req)
    load_repos(base, req, warnings)
    hidden = filters(base, req)
    for _, query in hidden:
        base.sack.add_excludes(query)
    marks = mark(base, req["install"], hidden)
    goal, solved = solve(base, req, marks)
    if not solved:
        raise Refused("conflict", groups=explain(base, req, marks, hidden))
    packages = [{
        "name": p.name, "epoch": p.epoch, "version": p.version, "release": p.release, "arch": p.arch,
        "repo": p.reponame, "sha256": sha256(p), "size": p.downloadsize, "installed_size": p.installsize,
        "location": p.location, "base": p.baseurl or "", "buildtime": p.buildtime, "source": p.sourcerpm or "",
    } for p in goal.list_installs()]
    repos = [repo_facts(r) for r in base.repos.iter_enabled()]
    emit("result", packages=packages, repos=repos)


# --- install ---

def script_names():
    tags = {"PREIN": "%pre", "POSTIN": "%post", "PRETRANS": "%pretrans", "POSTTRANS": "%posttrans",
            "TRIGGERPREIN": "%triggerprein", "TRIGGERIN": "%triggerin", "FILETRIGGERIN": "%filetriggerin",
            "TRANSFILETRIGGERIN": "%transfiletriggerin"}
    return {getattr(rpm, "RPMTAG_" + tag): name for tag, name in tags.items() if hasattr(rpm, "RPMTAG_" + tag)}


class Transaction:
    """Installs the packages and says what rpm does; ends the process at the first bad scriptlet."""

    def __init__(self, req, log):
        self.req, self.log, self.read = req, log, 0
        self.nevra, self.done, self.fd, self.diverted = {}, 0, None, {}
        self.calls = os.path.join(req["root"], "run/nosa/calls")
        self.scripts = script_names()

    def prepare(self):
        req = self.req
        ts = rpm.TransactionSet(req["root"])
        ts.setVSFlags(rpm.RPMVSF_MASK_NOSIGNATURES)  # checked when downloaded
        ts.setFlags(rpm.RPMTRANS_FLAG_NOPLUGINS | (0 if req["docs"] else rpm.RPMTRANS_FLAG_NODOCS))
        triggers = []
        for path in req["files"]:
            with open(path, "rb") as file:
                header = ts.hdrFromFdno(file)
            self.nevra[path] = header[rpm.RPMTAG_NEVRA]
            flags = zip(header[rpm.RPMTAG_TRIGGERFLAGS], header[rpm.RPMTAG_TRIGGERNAME])
            on = sorted({name for flag, name in flags if flag & (rpm.RPMSENSE_TRIGGERIN | rpm.RPMSENSE_TRIGGERPREIN)})
            if on:
                triggers.append({"package": self.nevra[path], "on": on})
            ts.addInstall(header, path, "i")
        if triggers:
            raise Refused("triggers", packages=triggers)
        self.refuse(ts.check() or [], ts)
        ts.order()
        return ts

    def refuse(self, problems, ts):
        self.output("", "")
        texts = [str(p) for p in ts.problems()] or [str(p) for p in problems]
        if texts:
            raise Refused("transaction", problems=texts)

    def output(self, package, script):
        """Passes on what rpm and its scriptlets wrote since the last call."""
        self.log.seek(self.read)
        data = self.log.read()
        self.read += len(data)
        lines = data.decode(errors="replace").splitlines()
        for line in lines:
            emit("output", package=package, script=script, text=line)
        return lines

    def stub_calls(self, package, script):
        if os.path.exists(self.calls):
            with open(self.calls, errors="replace") as file:
                for line in file:
                    emit("call", package=package, script=script, argv=line.rstrip("\n").split("\t"))
            os.remove(self.calls)

    def divert(self):
        """Puts the stubs where scriptlets call the real programs by their full path."""
        for directory in ("usr/bin", "usr/sbin", "bin", "sbin"):
            directory = os.path.realpath(os.path.join(self.req["root"], directory))
            for name in self.req["stubs"]:
                path = os.path.join(directory, name)
                if path in self.diverted or not os.path.lexists(path):
                    continue
                self.diverted[path] = os.path.join(directory, ".nosa-" + name)
                os.rename(path, self.diverted[path])
                shutil.copy(os.path.join(self.req["root"], "run/nosa/bin", name), path)

    def restore(self):
        for path, real in self.diverted.items():
            os.rename(real, path)

    def callback(self, what, amount, total, key, _):
        package = self.nevra.get(key, "")
        if what == rpm.RPMCALLBACK_INST_OPEN_FILE:
            self.fd = os.open(key, os.O_RDONLY)
            return self.fd
        if what == rpm.RPMCALLBACK_INST_CLOSE_FILE:
            os.close(self.fd)
        elif what == rpm.RPMCALLBACK_INST_STOP:
            self.done += 1
            self.divert()
            emit("package", package=package, done=self.done, total=len(self.nevra))
        elif what in (rpm.RPMCALLBACK_UNPACK_ERROR, rpm.RPMCALLBACK_CPIO_ERROR):
            self.fail("unpack", package, "", self.output(package, ""))
        elif what == rpm.RPMCALLBACK_SCRIPT_START:
            self.output("", "")
        elif what == rpm.RPMCALLBACK_SCRIPT_STOP:
            script = self.scripts.get(amount, "scriptlet %d" % amount)
            lines = self.output(package, script)
            self.stub_calls(package, script)
            if total != rpm.RPMRC_OK:
                self.fail("scriptlet", package, script, lines)
        return None

    def fail(self, kind, package, script, lines):
        emit("error", kind=kind, data={"package": package, "script": script, "lines": lines})
        os._exit(0)  # an exception in a callback would only be printed


def install(req):
    os.umask(0o022)
    for name, value in req["macros"].items():
        rpm.addMacro(name, value)
    with tempfile.TemporaryFile() as log:
        # Scriptlets inherit these, and rpm's own messages and lua's print() go there too.
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
        run = Transaction(req, log)
        ts = run.prepare()
        problems = ts.run(run.callback, "")
        run.refuse(problems or [], ts)
        run.restore()
        emit("result")


def main():
    req = json.load(sys.stdin)
    try:
        {"resolve": resolve, "install": install}[req["op"]](req)
    except Refused as refused:
        emit("error", kind=refused.kind, data=refused.data)
    except (dnf.exceptions.Error, rpm.error, OSError) as error:
        emit("error", kind="other", data={"text": str(error)})


main()
