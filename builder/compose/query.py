"""Looks up in fetched metadata what would become of a request, for nosa; dnfbase.py says how it is called."""


def check(base, req, filters):
    """All that is wrong with a request: what is missing, what cannot be had together, needless excludes."""
    marks, missing = mark(base, req["install"], filters)
    names = {p.name for p in everything_in(base)}
    unknown = [{"index": i, "near": []} for i, name in enumerate(req["exclude"]) if name not in names]
    if missing:
        look_around(base, req, missing)
    if unknown:
        index, other = Names(names), open_unused(base, req)
        elsewhere = {p.name for p in other.sack.query()} if other else set()
        unknown = [{**u, "near": index.near(req["exclude"][u["index"]])} for u in unknown
                   if req["exclude"][u["index"]] not in elsewhere]
    groups, more = explain(base, req, marks, filters)
    return {"items": missing, "searched": searched(base), "groups": groups, "more": more, "unknown": unknown}


def chosen(base, req, marks):
    """The packages of the set, and whether they are those that were fetched: the metadata may have
    changed since; then, and when nothing was, they are those that the solver takes."""
    wanted = {(p["package"], p["repo"]) for p in req["set"] or ()}
    query = everything_in(base).filterm(name=sorted({p["name"] for p in req["set"] or ()}))
    found = [p for p in query if (str(p), p.reponame) in wanted]
    if found and len(found) == len(wanted):
        return found, True
    goal, solved = solve(base, req, marks)
    return goal.list_installs() if solved else None, False


def facts(pkg):
    return {**named(pkg), "epoch": pkg.epoch, "version": pkg.version, "release": pkg.release, "arch": pkg.arch,
            "repo": pkg.reponame, "size": pkg.downloadsize, "installed_size": pkg.installsize, "summary": pkg.summary or ""}


def inside(graph, starts, found):
    """Why the nearest of the found packages is in the set."""
    links = graph.chain(starts, set(found))
    pkg = next((p for p in found if links and str(p) == links[-1]["package"]), found[0])
    by, needs = graph.needed_by(pkg), graph.needs(pkg)
    return {"package": facts(pkg), "links": links, "requests": sorted({i for i, p in starts if p == pkg}),
            "needed_by": by[:MAX_LINKS], "needed_by_count": len(by), "needs": needs[:MAX_LINKS], "needs_count": len(needs),
            "others": [str(p) for p in found if p != pkg][:MAX_LINKS]}


def outside(base, req, filters, graph):
    """What there is of a package that is not in the set."""
    text, everything = req["package"], everything_in(base)
    found = find(base, everything, text)
    other = open_unused(base, req)
    # Nothing in the set may want it but weakly, or the solver would have taken it.
    weakly = [{"kind": "recommends", "text": "", **named(by)} for by in sorted(graph.query.filter(recommends=list(found)))] if found else []
    return {"available": [{**p, "hidden": filters.why(everything.filter(pkg=[pkg]))} for p, pkg in zip(listed(found), sorted(found, reverse=True))],
            "available_count": len(found), "versions": listed(versions(everything, text)) if not found else [],
            "weakly": weakly[:MAX_LINKS],
            "unused": sorted({p.reponame for p in find(other, other.sack.query(), text)}) if other else [],
            "near": Names(p.name for p in everything).near(word_of(text)) if not found else []}


def why(base, req, filters):
    """Why a package is in the set, or what there is of it."""
    marks, missing = mark(base, req["install"], filters)
    packages, fetched = (None, False) if missing else chosen(base, req, marks)
    if packages is None:
        return check(base, req, filters)
    graph = Graph(base, packages, req["weak"])
    found = sorted(find(base, graph.query, req["package"]))
    said = inside(graph, graph.starts(marks), found) if found else outside(base, req, filters, graph)
    return {"why": {**said, "fetched": fetched}}


def query(req):
    base = open_repos(req)
    filters = Filters(base, req)
    emit("result", data=why(base, req, filters) if req["package"] else check(base, req, filters))


run(query)
