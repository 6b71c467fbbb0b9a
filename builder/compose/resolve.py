"""Chooses packages with dnf 4 for nosa; dnfbase.py says how it is called."""


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
    base = open_repos(req)
    filters = Filters(base, req)
    marks, missing = mark(base, req["install"], filters)
    if missing:
        look_around(base, req, missing)
        raise Refused("notfound", items=missing, searched=searched(base))
    goal, solved = solve(base, req, marks)
    if not solved:
        groups, more = explain(base, req, marks, filters)
        raise Refused("conflict", groups=groups, more=more)
    packages = [{
        "name": p.name, "epoch": p.epoch, "version": p.version, "release": p.release, "arch": p.arch,
        "repo": p.reponame, "sha256": sha256(p), "size": p.downloadsize, "installed_size": p.installsize,
        "location": p.location, "base": p.baseurl or "", "buildtime": p.buildtime, "source": p.sourcerpm or "",
    } for p in goal.list_installs()]
    emit("result", packages=packages, repos=[repo_facts(r) for r in base.repos.iter_enabled()])


run(resolve)
