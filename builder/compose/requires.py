import heapq
import itertools

MAX_LINKS = 50  # that are listed of one package


def rich_parts(text):
    """The operands of "(a >= 1 if (b or c) else d)" and the words between: [a >= 1, if, (b or c), else, d]."""
    parts, words, depth, word = [], [], 0, ""
    for char in text[1:-1] + " ":
        depth += (char == "(") - (char == ")")
        if char != " " or depth > 0:
            word += char
        elif word in ("and", "or", "if", "unless", "else", "with", "without"):
            parts, words, word = [*parts, " ".join(words), word], [], ""
        else:
            words, word = [*words, word], ""
    return [*parts, " ".join(words)]


class Graph:
    """Who needs whom in a set of packages that fit together."""

    def __init__(self, base, packages, weak):
        self.weak = weak
        self.query = everything_in(base).filterm(pkg=packages).apply()
        self.met, self.known, self.supplements = {}, {}, None

    def satisfied(self, text):
        """Whether the set satisfies a requirement, and its packages by which it does."""
        if text not in self.met:
            if text.startswith("("):
                self.met[text] = self.rich(rich_parts(text))
            else:
                found = set(self.query.filter(provides=text))
                if text.startswith("/"):
                    found |= set(self.query.filter(file=text))
                self.met[text] = bool(found), found
        return self.met[text]

    def rich(self, parts):
        holds, found = self.satisfied(parts[0])
        word = parts[1] if len(parts) > 2 else ""
        if word in ("if", "unless"):
            if self.satisfied(parts[2])[0] == (word == "if"):
                return holds, found
            return self.satisfied(parts[4]) if len(parts) > 4 else (True, set())
        for other in parts[2::2]:
            also, more = self.satisfied(other)
            if word == "with":
                found = found & more
            elif word == "without":
                found = found - more
            else:
                found = found | more
            holds = holds and also if word == "and" else holds or also
        return (bool(found), found) if word.startswith("with") else (holds, found)

    def supplemented(self, pkg):
        if self.supplements is None:
            self.supplements = {}
            for other in self.query:
                for dep in map(str, other.supplements):
                    holds, found = self.satisfied(dep)
                    for by in found if holds else ():
                        self.supplements.setdefault(by, []).append((dep, other))
        return self.supplements.get(pkg, [])

    def links(self, pkg):
        """What a package needs: [(kind, text, package)], each package once and the hard needs first."""
        if pkg not in self.known:
            deps = [(0, "requires", dep) for dep in map(str, pkg.requires)]
            if self.weak:
                deps += [(1, "recommends", dep) for dep in map(str, pkg.recommends)]
            found = [(rank, kind, dep, to) for rank, kind, dep in deps for to in self.satisfied(dep)[1]]
            if self.weak:
                found += [(2, "supplements", dep, to) for dep, to in self.supplemented(pkg)]
            best = {}
            for rank, kind, dep, to in sorted(found, key=lambda f: (f[0], dep_name(f[2]) != f[3].name, f[2])):
                if to != pkg:
                    best.setdefault(to, (rank, kind, dep))
            ordered = sorted(best.items(), key=lambda b: (b[1][0], str(b[0])))
            self.known[pkg] = [(kind, dep, to) for to, (_, kind, dep) in ordered]
        return self.known[pkg]

    def starts(self, marks):
        """The packages of the set that satisfy requests: [(index, package)]."""
        ours = set(self.query)
        return [(index, pkg) for index, found in marks
                for pkg in sorted({p for selector in found for p in selector.matches()} & ours)]

    def chain(self, starts, goals):
        """The way with the fewest weak links from a request to a goal, of these the shortest."""
        order, came = itertools.count(), {}
        queue = [(0, 0, next(order), None, {"kind": "requested", "index": index}, pkg) for index, pkg in starts]
        heapq.heapify(queue)
        while queue:
            weak, hops, _, back, link, pkg = heapq.heappop(queue)
            if pkg in came:
                continue
            came[pkg] = back, {**link, **named(pkg)}
            if pkg in goals:
                return list(reversed(list(way_back(came, pkg))))
            for kind, text, to in self.links(pkg):
                if to not in came:
                    step = {"kind": kind, "text": text}
                    heapq.heappush(queue, (weak + (kind != "requires"), hops + 1, next(order), pkg, step, to))
        return []

    def users(self, goals):
        """The packages that lead to one of the goals, which are among them."""
        by = {}
        for pkg in self.query:
            for _, _, to in self.links(pkg):
                by.setdefault(to, []).append(pkg)
        users, rest = set(goals), list(goals)
        while rest:
            rest = [pkg for to in rest for pkg in by.get(to, ()) if pkg not in users]
            users.update(rest)
        return users

    def needs(self, pkg):
        return [{"kind": kind, "text": text, **named(to)} for kind, text, to in self.links(pkg)]

    def needed_by(self, pkg):
        return [{"kind": kind, "text": text, **named(by)}
                for by in sorted(self.query) for kind, text, to in self.links(by) if to == pkg]


def way_back(came, pkg):
    while pkg is not None:
        pkg, link = came[pkg]
        yield link


def named(pkg):
    return {"name": pkg.name, "package": str(pkg)}


def dep_name(text):
    return text.split(" ")[0]
