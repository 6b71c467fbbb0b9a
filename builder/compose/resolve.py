"""Chooses packages with dnf 4 for nosa.

The request comes as JSON on stdin. Events go as JSON lines to stdout; the last one is "result" or
"error". Nothing is read from the host's dnf configuration.
"""
import contextlib
import difflib
import json
import logging
import os
import re
import sys
import time

import dnf
import hawkey

MAX_GROUPS = 5  # conflicts that are explained; each costs some dozens of solver runs


def emit(event, **fields):
    print(json.dumps({"event": event, **fields}), flush=True)


class Refused(Exception):
    """A problem that the caller explains to the author of the request."""

    def __init__(self, kind, **data):
        super().__init__(kind)
        self.kind, self.data = kind, data


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


class Progress(dnf.callback.DownloadProgress):
    """Bytes of the metadata file that is being downloaded."""

    last = 0

    def progress(self, payload, done):
        now = time.monotonic()
        if payload.download_size and now - self.last > 0.2:
            self.last = now
            emit("metadata", done=int(done), total=int(payload.download_size))


def open_base(req):
    cachedir = req["cachedir"]
    conf = dnf.conf.Conf()
    conf.substitutions.clear()
    conf.arch = req["arch"]
    conf.substitutions.update(req["vars"])
    for key, value in {
        "installroot": os.path.join(cachedir, "empty"), "persistdir": os.path.join(cachedir, "persist"),
        "cachedir": cachedir, "logdir": cachedir, "config_file_path": os.devnull, "reposdir": req["repo_dirs"],
        "plugins": False, "cacheonly": req["offline"], "deltarpm": False, "skip_if_unavailable": False,
        "retries": 4, "timeout": 30, "minrate": 1, "user_agent": "nosa", "optional_metadata_types": ["filelists"],
    }.items():
        setattr(conf, key, value)
    os.makedirs(conf.installroot, exist_ok=True)
    # The caller locks the cache. The pid that a killed run left in dnf's own lock file may belong to
    # another process by now (in a pid namespace it mostly does), and dnf would wait for that.
    with contextlib.suppress(FileNotFoundError):
        os.remove(os.path.join(cachedir, "metadata_lock.pid"))
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
    problems, progress = [], Progress()
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
        repo.set_progress_bar(progress)
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
    emit("result", packages=packages, repos=[repo_facts(r) for r in base.repos.iter_enabled()])


try:
    resolve(json.load(sys.stdin))
except Refused as refused:
    emit("error", kind=refused.kind, data=refused.data)
except (dnf.exceptions.Error, hawkey.Exception, OSError) as error:
    emit("error", kind="other", data={"text": str(error)})
