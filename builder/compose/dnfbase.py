"""What nosa's helpers of dnf 4 share: repositories, filters, requests, the solver.

The text of the helper that runs follows this one, requires.py and explain.py. The request comes as
JSON on stdin. Events go as JSON lines to stdout; the last one is "result" or "error". Nothing is read from
the host's dnf configuration.
"""
import collections
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

MAX_AVAILABLE = 5  # versions that are named of what was not found
MAX_LIKELY = 100  # names that difflib compares


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
    wanted, locked = set(req["repos"]), set(req["lockfile_repos"])
    known = [{"id": r.id, "file": r.repofile, "enabled": bool(r.enabled)} for r in base.repos.values()]
    for repo in base.repos.values():
        if wanted:
            repo.disable()
        if repo.id in wanted | locked:
            repo.enable()
    for name in sorted(locked - set(base.repos)):
        emit("log", text="lockfile-repos has %s, which no .repo file defines: locked packages come from the other repositories" % name)
    unknown = sorted(wanted - set(base.repos))
    if unknown or not any(base.repos.iter_enabled()):
        raise Refused("repos", unknown=unknown, known=sorted(known, key=lambda r: r["id"]))
    if req["override"]:
        repo = dnf.repo.Repo(req["override"]["id"], base.conf)
        repo.baseurl = [req["override"]["url"]]
        repo.cost, repo.module_hotfixes = 500, True
        base.repos.add(repo)
        repo._repo.setSyncStrategy(dnf.repo.SYNC_TRY_CACHE)


def urls_of(repo):
    return [u for u in [*repo.baseurl, repo.metalink, repo.mirrorlist] if u]


def unset_of(repo):
    """The variables without a value that a repository's addresses need."""
    return sorted({name for u in [*urls_of(repo), *repo.gpgkey] for name in re.findall(r"\$\{?(\w+)", u)})


def load_repos(base, req, warnings):
    """Loads all enabled repositories and reports each that cannot be used, not just the first."""
    problems, progress = [], Progress()
    for repo in base.repos.iter_enabled():
        urls, unset = urls_of(repo), unset_of(repo)
        problem = {"id": repo.id, "url": " ".join(urls), "file": repo.repofile}
        if unset or not urls:
            problems.append({**problem, "unset": unset, "reason": "no baseurl, metalink or mirrorlist"})
            continue
        emit("repo", text=repo.id)
        repo.metadata_expire = -1  # only the next line makes it look for newer metadata, and only once
        if not req["offline"] or req["override"] and repo.id == req["override"]["id"]:
            repo._repo.expire()
        if req["verified"]:
            repo.repo_gpgcheck = False
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


def open_repos(req):
    """The base with all that the request may be met from."""
    warnings = Warnings()
    logging.getLogger("dnf").addHandler(warnings)
    base = open_base(req)
    select_repos(base, req)
    load_repos(base, req, warnings)
    return base


def open_unused(base, req):
    """The repositories that are not used, as far as their metadata is in the cache; None without any."""
    other = open_base({**req, "offline": True})
    for repo in other.repos.values():
        used = repo.id in base.repos and base.repos[repo.id].enabled
        repo.disable()
        repo.metadata_expire, repo.repo_gpgcheck = -1, False
        if used or unset_of(repo) or not urls_of(repo):
            continue
        with contextlib.suppress(dnf.exceptions.RepoError):
            repo.load()
            repo.enable()
    if not any(other.repos.iter_enabled()):
        return None
    other.fill_sack(load_system_repo=False)
    return other


def sha256(pkg):
    kind, value = pkg.chksum
    if kind != hawkey.CHKSUM_SHA256:
        raise Refused("checksum", id=pkg.reponame, package=str(pkg))
    return value.hex()


class Filters:
    """What the request hides from the solver: why → query. Reports locks that nothing fits."""

    def __init__(self, base, req):
        self.sack, self.before = base.sack, base.sack.get_excludes()
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
        free = query().difference(locked).difference(other)
        unlocked = free.filter(reponame=req["lockfile_repos"]) if req["lockfile_repos"] else free.filter(empty=True)
        strict = free.difference(unlocked) if req["strict"] else free.filter(empty=True)
        self.whole = {"lock": other, "lockfile-repos": unlocked, "strict": strict,
                      "exclude": query().filterm(name=req["exclude"])}
        for hidden in self.whole.values():
            hidden.apply()
        self.restore()

    def restore(self):
        self.by = dict(self.whole)
        self.hide()

    def hide(self):
        self.sack.set_excludes(self.before)
        for hidden in self.by.values():
            self.sack.add_excludes(hidden)

    def lift(self, found):
        """Hides no longer what has one of these (why, name). Of a strict lock that is all it has not."""
        for why, name in found:
            keep = self.by[why].filter(empty=True) if why == "strict" else self.by[why].difference(self.by[why].filter(name=name))
            self.by[why] = keep.apply()
        self.hide()

    def named(self, lines):
        """What the solver's lines say is hidden: {(why, name)}."""
        nevras = set(re.findall(r"package (\S+) is filtered out by exclude filtering", "\n".join(lines)))
        return {(why, p.name) for why, hidden in self.by.items() for p in hidden if str(p) in nevras}

    def why(self, found):
        return sorted(why for why, hidden in self.whole.items() if hidden.intersection(found))


class Names:
    """Finds names that are written alike. difflib alone takes seconds for ten thousand names."""

    def __init__(self, names):
        self.names, self.index = sorted(set(names)), None

    @staticmethod
    def pairs(word):
        return {a + b for a, b in zip("^" + word, word + "$")}

    def near(self, word):
        if self.index is None:
            self.index = collections.defaultdict(list)
            for name in self.names:
                for pair in self.pairs(name):
                    self.index[pair].append(name)
        common = collections.Counter()
        for pair in self.pairs(word):
            common.update(self.index.get(pair, ()))
        likely = sorted(common, key=lambda name: (-common[name] / (len(word) + len(name)), name))[:MAX_LIKELY]
        return difflib.get_close_matches(word, likely, n=3, cutoff=0.7)


def everything_in(base):
    return dnf.query.Query(base.sack, flags=hawkey.IGNORE_EXCLUDES)


def find(base, query, text):
    """The packages of the query that a request means."""
    return dnf.subject.Subject(text).get_best_query(base.sack, with_src=False, query=query)


def versions(query, text):
    """The newest packages of the name that a request with a version, which nothing fits, begins with."""
    names = {re.split(r"[\s<>=]", text)[0]} | {p.name for p in dnf.subject.Subject(text).get_nevra_possibilities() if p.name}
    return query.filter(name=sorted(names))


def listed(packages):
    newest = sorted(packages, reverse=True)[:MAX_AVAILABLE]
    return [{"package": str(p), "repo": p.reponame} for p in newest]


def describe(base, item, filters):
    """Why nothing satisfies a request."""
    everything = everything_in(base)
    found = find(base, everything, item["text"])
    return {"hidden": filters.why(found), "repos": sorted({p.reponame for p in found}),
            "available": listed(found or versions(everything, item["text"]))}


def word_of(text):
    """The part of a request that may be a misspelt name."""
    return os.path.basename(re.split(r"[\s<>=(]", text)[0])


def selectors(base, item):
    """What the solver may take to satisfy a request; nothing when there is nothing."""
    return dnf.subject.Subject(item["text"])._get_best_selectors(base, reponame=item["repo"] or None)


def mark(base, items, filters):
    """Finds for each request the packages that satisfy it: [(index, [selector])], and what is missing."""
    marks, missing = [], []
    for index, item in enumerate(items):
        found = selectors(base, item)
        if found:
            marks.append((index, found))
        else:
            missing.append({"index": index, **describe(base, item, filters)})
    return marks, missing


def look_around(base, req, missing):
    """Adds to what is missing the names that are written alike and the unused repositories that have it."""
    names, other = Names(p.name for p in everything_in(base)), open_unused(base, req)
    for problem in missing:
        text = req["install"][problem["index"]]["text"]
        problem["near"] = names.near(word_of(text))
        problem["unused"] = sorted({p.reponame for p in find(other, other.sack.query(), text)}) if other else []


def searched(base):
    return [r.id for r in base.repos.iter_enabled()]


def run(main):
    """Runs a helper's main with the request and says how it ended."""
    try:
        main(json.load(sys.stdin))
    except Refused as refused:
        emit("error", kind=refused.kind, data=refused.data)
    except (dnf.exceptions.Error, hawkey.Exception, OSError) as error:
        emit("error", kind="other", data={"text": str(error)})
