"""Installs packages with rpm for nosa.

The request comes as JSON on stdin. Events go as JSON lines to stdout; the last one is "result" or
"error". What rpm and its scriptlets write becomes events too.
"""
import json
import os
import re
import shutil
import sys
import tempfile

import rpm

OUT = os.fdopen(os.dup(1), "w")  # os.dup: not inherited by scriptlets


def emit(event, **fields):
    print(json.dumps({"event": event, **fields}), file=OUT, flush=True)


class Refused(Exception):
    """A problem that the caller explains to the author of the request."""

    def __init__(self, kind, **data):
        super().__init__(kind)
        self.kind, self.data = kind, data


# rpm says it of file triggers in no other way.
FAILED = re.compile(r"(?:warning|error): %(\w+)\((.+)\) scriptlet failed, ")

# rpm goes on without what it could not write to its database.
DATABASE = re.compile(r"error: sqlite failure: ")


def script_name(word):
    return "%" + {"prein": "pre", "postin": "post"}.get(word.lower(), word.lower())


class Transaction:
    """Installs the packages and says what rpm does; ends the process at the first bad scriptlet."""

    def __init__(self, req, log):
        self.req, self.log, self.read = req, log, 0
        self.nevra, self.done, self.fd, self.diverted = {}, 0, None, {}
        self.host = os.stat("/")

    def run(self):
        ts = rpm.TransactionSet(self.req["root"])
        ts.setVSFlags(rpm.RPMVSF_MASK_NOSIGNATURES)  # checked when downloaded
        ts.setFlags(rpm.RPMTRANS_FLAG_NOPLUGINS | (0 if self.req["docs"] else rpm.RPMTRANS_FLAG_NODOCS))
        triggers = []
        for path in self.req["files"]:
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
        self.refuse(ts, ts.check())
        ts.order()
        self.refuse(ts, ts.run(self.callback, "") is not None)
        self.close(ts)
        for path, real in self.diverted.items():
            os.rename(self.path(real), self.path(path))

    def close(self, ts):
        """Closes the database and makes sure that everything is in it: rpm does not say so."""
        known = sum(1 for _ in ts.dbMatch())
        ts.closeDB()
        lines = self.output("", "")
        wal = self.path(self.req["macros"]["_dbpath"].lstrip("/"), "rpmdb.sqlite-wal")
        if known != len(self.nevra):
            self.fail("database", "", "", lines + ["%d of %d packages are in it" % (known, len(self.nevra))])
        if os.path.exists(wal) and os.path.getsize(wal):
            self.fail("database", "", "", lines + ["its journal could not be merged into it"])

    def refuse(self, ts, failed):
        lines = self.output("", "")
        if failed:
            raise Refused("transaction", problems=[str(p) for p in ts.problems()] or lines)

    def path(self, *names):
        """A path below the root. rpm calls back from inside its chroot or not, as it happens to be."""
        outside = os.path.samestat(self.host, os.stat("/"))
        return os.path.join(self.req["root"] if outside else "/", *names)

    def output(self, package, script):
        """Passes on what rpm and its scriptlets wrote since the last call."""
        self.log.seek(self.read)
        data = self.log.read()
        self.read += len(data)
        lines = data.decode(errors="replace").splitlines()
        for line in lines:
            emit("output", package=package, script=script, text=line)
        for match in filter(None, map(FAILED.match, lines)):
            self.fail("scriptlet", match[2], script_name(match[1]), lines)
        if any(map(DATABASE.match, lines)):
            self.fail("database", "", "", lines)
        return lines

    def stub_calls(self, package, script):
        with open(self.path("run/nosa/calls"), "a+", errors="replace") as calls:
            calls.seek(0)
            for line in calls:
                emit("call", package=package, script=script, argv=line.rstrip("\n").split("\t"))
            calls.truncate(0)

    def divert(self):
        """Puts the stubs where scriptlets call the real programs by their full path."""
        top = self.path()
        for directory in ("usr/bin", "usr/sbin", "bin", "sbin"):
            directory = os.path.relpath(os.path.realpath(os.path.join(top, directory)), top)
            for name in self.req["stubs"]:
                path = os.path.join(directory, name)
                if path in self.diverted or not os.path.lexists(os.path.join(top, path)):
                    continue
                self.diverted[path] = os.path.join(directory, ".nosa-" + name)
                os.rename(os.path.join(top, path), os.path.join(top, self.diverted[path]))
                shutil.copy(os.path.join(top, "run/nosa/bin", name), os.path.join(top, path))

    def callback(self, what, amount, total, key, _):
        try:
            return self.handle(what, amount, total, key)
        except Exception as error:  # rpm would end the process with a trace in the log
            return self.fail("other", "", "", [repr(error)])

    def handle(self, what, amount, total, key):
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
            script = script_name(rpm.tagnames.get(amount, "filetrigger"))  # its tag is internal to rpm
            lines = self.output(package, script)
            self.stub_calls(package, script)
            if total != rpm.RPMRC_OK:
                self.fail("scriptlet", package, script, lines)
        return None

    def fail(self, kind, package, script, lines):
        emit("error", kind=kind, data={"package": package, "script": script, "lines": lines, "text": " ".join(lines)})
        os._exit(0)


def install(req):
    os.umask(0o022)
    for name, value in req["macros"].items():
        rpm.addMacro(name, value)
    with tempfile.TemporaryFile() as log:
        # Scriptlets inherit these, and rpm's own messages and lua's print() go there too.
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
        Transaction(req, log).run()
    emit("result")


try:
    install(json.load(sys.stdin))
except Refused as refused:
    emit("error", kind=refused.kind, data=refused.data)
except (rpm.error, OSError) as error:
    emit("error", kind="other", data={"text": str(error)})
