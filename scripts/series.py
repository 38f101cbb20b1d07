#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Keep the repo (series, patches/, overlay) and the materialized QEMU git tree in step.

  import DIR ID       make DIR, a pristine QEMU source tree, the base of build/tree
  tree                materialize: one commit for each line of `series` on top of the base
  refresh [--from D]  the inverse: write commits and edits of build/tree (or D) back
  export              write the series as mails that `git am` takes to build/series
  base-id             print the ID given to the last import

Everything is done on git's objects, beside the work tree, so that a build sees only
the files that really differ as changed.
"""

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

REPO = Path(__file__).resolve().parent.parent
SECTIONS_SUBJECT = 'MAINTAINERS: add the sections of the vIOMMU series'
# Where the repo keeps its own things: no overlay file may live there.
OWN = ('base/', 'lab/', 'patches/', 'scripts/', 'build/', '.ci/', 'tests/house/', 'tests/lab/')
OWN_FILES = ('README.md', 'Makefile', 'MAINTAINERS', 'COPYING', 'series', '.gitignore')
EPOCH = 1735689600      # every commit has a fixed date: the same input gives the same ids
KERNEL = '@kernel:'     # a header taken from the kernel's package, not stored here
KERNEL_DIR = 'linux-headers/'


class Error(Exception):
    """A message for the user."""


class Git:
    """A git repository, used through plumbing commands that ignore the user's settings."""

    def __init__(self, work):
        self.work = Path(work)
        self.dir = self.work / '.git'

    def run(self, *args, data=None, check=True, text=True, cwd=None, **env):
        full = dict(os.environ, GIT_CONFIG_GLOBAL='/dev/null', GIT_CONFIG_NOSYSTEM='1',
                    GIT_DIR=str(self.dir), LC_ALL='C', **env)
        if isinstance(data, str):
            data = data.encode()
        done = subprocess.run(['git', '-c', 'core.quotePath=false',
                               '-c', 'core.safecrlf=false', *args],
                              cwd=cwd or self.work, env=full, input=data, check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if check and done.returncode:
            raise Error(f'git {" ".join(args[:3])} failed in {self.work}:\n'
                        + done.stderr.decode(errors='replace').strip())
        if not check:
            return done
        return done.stdout.decode().rstrip('\n') if text else done.stdout

    def has(self, rev):
        return self.run('rev-parse', '-q', '--verify', rev, check=False).returncode == 0

    def rev(self, rev):
        return self.run('rev-parse', '--verify', rev)

    def files(self, rev):
        """path -> (mode, blob) of a commit or tree."""
        out = {}
        for line in self.run('ls-tree', '-r', '-z', rev).split('\0'):
            if line:
                meta, path = line.split('\t', 1)
                out[path] = (meta.split()[0], meta.split()[2])
        return out

    def changes(self, old, new):
        """[(status, path, mode, blob)] between two trees."""
        fields = self.run('diff-tree', '-r', '-z', '--no-renames', old, new).split('\0')
        out = []
        for meta, path in zip(fields[::2], fields[1::2]):
            words = meta.split()
            out.append((words[4], path, words[1], words[3]))
        return out

    def blob(self, ident):
        return self.run('cat-file', 'blob', ident, text=False)

    def commit(self, tree, parent, author, message, number):
        name, mail = split_author(author)
        date = f'{EPOCH + 60 * number} +0000'
        who = {}
        for role in 'AUTHOR', 'COMMITTER':
            who |= {f'GIT_{role}_NAME': name, f'GIT_{role}_EMAIL': mail,
                    f'GIT_{role}_DATE': date}
        parents = ['-p', parent] if parent else []
        return self.run('commit-tree', tree, *parents, data=message, **who)


@dataclass
class Entry:
    """A line of `series`, and the commit it stands for."""
    patch: str
    files: list
    before: list = field(default_factory=list)      # comments and blank lines above it
    author: str = ''
    subject: str = ''
    body: str = ''
    diff: bytes = b''

    def message(self):
        return f'{self.subject}\n\n{self.body}' if self.body else f'{self.subject}\n'


def split_author(author):
    match = re.fullmatch(r'(.+) <(.+)>', author)
    if not match:
        raise Error(f'"{author}" is not of the form Name <mail>')
    return match.groups()


def read_patch(entry):
    """Fill the entry from its patch file."""
    try:
        raw = (REPO / entry.patch).read_bytes()
    except FileNotFoundError:
        raise Error(f'series names {entry.patch}, which does not exist') from None
    head, _, entry.diff = (b'\n' + raw).partition(b'\n---\n')
    lines = head[1:].decode().split('\n')
    fields = {}
    while lines and lines[0]:
        line = lines.pop(0)
        key, colon, value = line.partition(': ')
        if line[0] == ' ' and fields:
            fields[last] += line
        elif colon:
            last = key.lower()
            fields[last] = value
    if 'from' not in fields or 'subject' not in fields:
        raise Error(f'{entry.patch} does not begin with From: and Subject:')
    entry.author = fields['from']
    entry.subject = re.sub(r'^\[PATCH[^]]*\] *', '', fields['subject'])
    body = '\n'.join(lines[1:]).strip('\n')
    entry.body = body + '\n' if body else ''


def read_series():
    """(entries, lines after the last entry)"""
    path = REPO / 'series'
    entries, before = [], []
    for line in path.read_text().splitlines() if path.exists() else []:
        words = line.split()
        if not words or words[0].startswith('#'):
            before.append(line)
            continue
        if not words[0].startswith('patches/'):
            raise Error(f'series: a line begins with patches/…, this one does not: {line}')
        entry = Entry(words[0], words[1:], before)
        read_patch(entry)
        entries.append(entry)
        before = []
    return entries, before


def kernel_header(name):
    root = os.environ.get('VIOMMU_KERNEL_HEADERS', str(REPO / 'build' / 'uapi'))
    if not os.path.isdir(root):
        raise Error(f'{root} is missing, the headers of the kernel: run "make tree" first')
    return Path(root) / name


def source_of(name):
    """(path in the QEMU tree, file it comes from) of an overlay or @kernel: entry."""
    if name.startswith(KERNEL):
        name = name[len(KERNEL):]
        return KERNEL_DIR + name, kernel_header(name)
    return name, REPO / name


def own(path):
    return path in OWN_FILES or path.startswith(OWN)


def inputs_hash(entries, base):
    """What build/tree is made of: tells whether the repo changed since."""
    total = hashlib.sha256(base.encode())
    names = [REPO / 'MAINTAINERS']
    for entry in entries:
        names.append(REPO / entry.patch)
        names += [source_of(name)[1] for name in entry.files]
        total.update(' '.join([entry.patch, *entry.files, '\n']).encode())
    for name in names:
        if name.exists():
            mode = 'x' if os.access(name, os.X_OK) else '-'
            digest = hashlib.sha256(name.read_bytes()).hexdigest()
            total.update(f'{name.name} {mode} {digest}\n'.encode())
    return total.hexdigest()


# ---------------------------------------------------------------------------- materialize

class Tree:
    """build/tree, with what is remembered about it below .git/viommu/."""

    def __init__(self):
        self.path = REPO / 'build' / 'tree'
        self.git = Git(self.path)
        self.notes = self.git.dir / 'viommu'

    def note(self, name, value=None):
        path = self.notes / name
        if value is not None:
            self.notes.mkdir(exist_ok=True)
            path.write_text(value + '\n')
        return path.read_text().strip() if path.exists() else ''

    def init(self):
        self.path.mkdir(parents=True, exist_ok=True)
        if self.git.dir.exists():
            return
        fresh = Git(self.path)
        fresh.run('init', '-q', '-b', 'series')
        fresh.run('config', 'core.autocrlf', 'false')
        fresh.run('config', 'gc.auto', '0')
        # The bytes of the source package, whatever its .gitattributes say about line ends.
        (self.git.dir / 'info' / 'attributes').write_text('* -text -ident -filter\n')

    def dirty(self):
        return self.git.run('status', '--porcelain', GIT_WORK_TREE=str(self.path))

    def touched(self):
        """In what way the user changed the tree since it was materialized, or ''."""
        if not self.note('head'):
            return ''
        if self.git.rev('HEAD') != self.note('head'):
            return 'commits'
        return 'edits' if self.dirty() else ''


def cmd_import(args):
    tree, source = Tree(), Path(args.dir).resolve()
    if not (source / 'VERSION').exists() or not (source / 'hw/arm/virt.c').exists():
        raise Error(f'{source} is not a QEMU source tree')
    tree.init()
    # An index of its own, kept: a second import of the same folder only looks at times.
    tree.notes.mkdir(exist_ok=True)
    index = {'GIT_INDEX_FILE': str(tree.notes / 'base.index'), 'GIT_WORK_TREE': str(source)}
    # -f: QEMU's .gitignore hides files that its source package has.
    tree.git.run('-c', 'core.fileMode=true', 'add', '-f', '-A', '--',
                 '.', ':(exclude).pc', ':(exclude).git', cwd=source, **index)
    ident = tree.git.run('write-tree', **index)
    version = (source / 'VERSION').read_text().strip()
    base = tree.git.commit(ident, None, 'QEMU base <base@localhost>',
                           f'QEMU {version}: the base of the series\n', 0)
    tree.git.run('tag', '-f', 'base', base)
    tree.note('base-id', args.id)


def explain_reject(entry, stderr):
    """Name the patch, the file and the hunk of a patch that does not apply."""
    where = re.search(r'patch failed: (.+):(\d+)', stderr)
    if where:
        path, line = where.groups()
        part = entry.diff.decode(errors='replace').partition(f'diff --git a/{path} ')[2]
        hunk = re.search(rf'^@@ -{line}[, ].*$', part, re.M)
        what = f'{path}, hunk {hunk.group(0) if hunk else "at line " + line}'
    else:
        what = stderr.strip().splitlines()[0].removeprefix('error: ')
    return Error(f'{entry.patch} does not apply to this base: {what}\n'
                 '  Correct the patch, or go back to the version in base/qemu.lock.')


def add_files(git, entry, index, known):
    """Put the overlay files and kernel headers of a line into the index."""
    lines = []
    for name in entry.files:
        path, source = source_of(name)
        if own(path):
            raise Error(f'series: {path} is in a folder of the repo itself')
        if not source.is_file():
            raise Error(f'series: {name} of {entry.patch} does not exist ({source})')
        if path in known and not name.startswith(KERNEL):
            raise Error(f'{path} ({entry.patch}) is already in the tree: '
                        'an overlay file must be new')
        mode = '100755' if os.access(source, os.X_OK) else '100644'
        blob = git.run('hash-object', '-w', '--no-filters', str(source))
        lines.append(f'{mode} {blob}\t{path}\n')
        known.add(path)
    git.run('update-index', '--add', '--index-info', data=''.join(lines), **index)


def merge_sections(base_text, sections):
    return base_text.rstrip('\n') + '\n\n' + sections.strip('\n') + '\n'


def build_commits(tree, entries):
    """The head of the series, as git objects only."""
    git = tree.git
    index = {'GIT_INDEX_FILE': str(tree.notes / 'series.index')}
    tree.notes.mkdir(exist_ok=True)
    git.run('read-tree', 'base', **index)
    head, known = git.rev('base^{commit}'), set(git.files('base'))
    for number, entry in enumerate(entries, 1):
        if b'diff --git ' in entry.diff:
            done = git.run('apply', '--cached', '--whitespace=nowarn', '-',
                           data=entry.diff, check=False, **index)
            if done.returncode:
                raise explain_reject(entry, done.stderr.decode(errors='replace'))
        add_files(git, entry, index, known)
        head = git.commit(git.run('write-tree', **index), head, entry.author,
                          entry.message(), number)
    sections = REPO / 'MAINTAINERS'
    if sections.exists():
        text = sections.read_text()
        person = re.search(r'^M: *(.+>)', text, re.M)
        if not person:
            raise Error('MAINTAINERS has no line "M: Name <mail>"')
        merged = merge_sections(git.run('show', 'base:MAINTAINERS'), text)
        blob = git.run('hash-object', '-w', '--stdin', data=merged)
        git.run('update-index', '--cacheinfo', f'100644,{blob},MAINTAINERS', **index)
        head = git.commit(git.run('write-tree', **index), head, person[1],
                          f'{SECTIONS_SUBJECT}\n\nSigned-off-by: {person[1]}\n',
                          len(entries) + 1)
    return head


def cmd_tree(args, force=False):
    tree = Tree()
    if not tree.git.dir.exists() or not tree.git.has('base'):
        raise Error('build/tree has no base yet: run "make tree"')
    touched = tree.touched()
    entries, _ = read_series()
    if touched and not force:
        inputs = inputs_hash(entries, tree.git.rev('base'))
        if getattr(args, 'keep', False) and inputs == tree.note('inputs'):
            print(f'note: build/tree has {touched} that "make refresh" would write back')
            return
        raise Error(f'build/tree has {touched} of yours that the repo does not have.\n'
                    '  "make refresh" writes them back; to drop them: rm -rf build/tree')
    head = build_commits(tree, entries)
    work = {'GIT_WORK_TREE': str(tree.path)}
    if not (tree.git.dir / 'index').exists():
        # First time, perhaps over the remains of an interrupted one.
        tree.git.run('read-tree', head)
        tree.git.run('update-index', '-q', '--refresh', check=False, **work)
    tree.git.run('symbolic-ref', 'HEAD', 'refs/heads/series')
    tree.git.run('update-ref', 'refs/heads/series', head)
    tree.git.run('reset', '-q', '--hard', head, **work)
    tree.note('head', head)
    tree.note('inputs', inputs_hash(entries, tree.git.rev('base')))
    if not force:
        print(f'build/tree: {len(entries)} commits on {tree.note("base-id")}, {head[:12]}')


# -------------------------------------------------------------------------------- refresh

def commits_of(git, head):
    """[(id, tree, author, subject, body)] after the base."""
    if not git.has('base'):
        raise Error(f'{git.work} has no tag "base" on the bare base')
    out = []
    for ident in git.run('rev-list', '--reverse', '--topo-order', f'base..{head}').split():
        text = git.run('show', '-s', '--format=%P%x00%T%x00%an <%ae>%x00%s%x00%b', ident)
        parents, tree, author, subject, body = text.split('\0', 4)
        if ' ' in parents:
            raise Error(f'commit {ident[:12]} ({subject}) is a merge: the series is linear')
        body = body.strip('\n')
        if re.search(r'^(---|diff --git )', body, re.M):
            raise Error(f'commit "{subject}": a line of its message looks like a diff')
        out.append((ident, tree, author, subject, body + '\n' if body else ''))
    return out


def owners_of(git, commits, base):
    """path -> number of the last commit that touches it."""
    last, previous = {}, git.rev('base^{tree}')
    added = {}
    for number, (_, tree, _, subject, _) in enumerate(commits):
        for status, path, _, _ in git.changes(previous, tree):
            if path in added and path not in base:
                raise Error(f'{path} is added by "{commits[added[path]][3]}" and changed by a '
                            f'later commit, "{subject}": a topic owns its files')
            added.setdefault(path, number)
            last[path] = number
        previous = tree
    return last


def fold_edits(tree, commits):
    """Move uncommitted edits of build/tree into the commits they belong to."""
    git = tree.git
    index = {'GIT_INDEX_FILE': str(tree.notes / 'work.index'),
             'GIT_WORK_TREE': str(tree.path)}
    # Starting from the real index, only files with a new time are read.
    shutil.copyfile(git.dir / 'index', index['GIT_INDEX_FILE'])
    git.run('add', '-A', **index)
    edits = git.changes('HEAD^{tree}', git.run('write-tree', **index))
    if not edits:
        return commits
    base = git.files('base')
    last = owners_of(git, commits, base)
    for status, path, _, _ in edits:
        if path not in last:
            what = 'a new file' if status == 'A' else 'an edit of a file no commit touches'
            raise Error(f'build/tree: {path} is {what}: commit it there first')
    out = []
    for number, (ident, ctree, *rest) in enumerate(commits):
        lines = []
        for status, path, mode, blob in edits:
            if number >= last[path]:
                lines.append(f'0 {blob}\t{path}\n' if status == 'D'
                             else f'{mode} {blob}\t{path}\n')
        git.run('read-tree', ctree, **index)
        git.run('update-index', '--index-info', data=''.join(lines), **index)
        out.append((ident, git.run('write-tree', **index), *rest))
    return out


def slug_of(subject):
    slug = re.sub(r'[^a-z0-9.]+', '-', subject.lower()).strip('-.')
    return slug if len(slug) <= 52 else slug[:53].rpartition('-')[0].rstrip('-.')


def kernel_entry(git, path, blob):
    """The @kernel: entry for a header that is the kernel's own, byte for byte."""
    if not path.startswith(KERNEL_DIR):
        return None
    source = kernel_header(path[len(KERNEL_DIR):])
    if source.is_file() and source.read_bytes() == git.blob(blob):
        return KERNEL + path[len(KERNEL_DIR):]
    return None


def new_entry(git, commit, previous, number, base, old):
    """The series line of a commit and the overlay files it brings: (entry, {path: ...})."""
    _, tree, author, subject, body = commit
    files, overlay, patched = [], {}, []
    for status, path, mode, blob in git.changes(previous, tree):
        header = status != 'D' and kernel_entry(git, path, blob)
        if path == 'MAINTAINERS':
            raise Error(f'commit "{subject}" changes MAINTAINERS: our sections are in '
                        'the MAINTAINERS of the repo')
        if header:
            files.append(header)
        elif path in base:
            patched.append(path)
        else:
            if own(path):
                raise Error(f'commit "{subject}" adds {path}, in a folder of the repo itself')
            if status != 'D' and not mode.startswith('100'):
                raise Error(f'commit "{subject}": {path} is not a plain file')
            files.append(path)
            overlay[path] = (mode, blob)
    slug = slug_of(subject)
    if old:
        files = old.files if sorted(old.files) == sorted(files) else sorted(files)
        slug = re.sub(r'^patches/\d+-(.*)\.patch$', r'\1', old.patch)
    entry = Entry(f'patches/{number:04}-{slug}.patch', files,
                  old.before if old else [], author, subject, body)
    if patched:
        entry.diff = git.run('diff-tree', '-p', '--binary', '--abbrev=12', '--no-renames',
                             '--no-color', '--no-ext-diff', previous, tree, '--', *patched,
                             text=False)
    return entry, overlay


def store(path, data, mode=None):
    """Write a file of the repo if it differs; True if it did."""
    path = REPO / path
    executable = mode == '100755'
    if path.exists() and path.read_bytes() == data \
            and (mode is None or os.access(path, os.X_OK) == executable):
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    if mode:
        path.chmod(0o755 if executable else 0o644)
    print(f'  wrote {path.relative_to(REPO)}')
    return True


def take_sections(git, commits):
    """Split off the commit with our MAINTAINERS sections: (other commits, sections)."""
    others = [c for c in commits if c[3] != SECTIONS_SUBJECT]
    if len(others) == len(commits):
        return commits, None
    if others != commits[:-1]:
        raise Error(f'"{SECTIONS_SUBJECT}" is not the last commit: move it there')
    merged = git.run('show', f'{commits[-1][1]}:MAINTAINERS') + '\n'
    start = git.run('show', 'base:MAINTAINERS').rstrip('\n') + '\n\n'
    if not merged.startswith(start):
        raise Error('MAINTAINERS: our sections come after the last line that QEMU has, '
                    'and only they may change')
    changed = git.changes(commits[-2][1] if len(commits) > 1 else 'base^{tree}',
                          commits[-1][1])
    if [c[1] for c in changed] != ['MAINTAINERS']:
        raise Error(f'"{SECTIONS_SUBJECT}" changes more than MAINTAINERS')
    return others, merged[len(start):]


def write_repo(git, commits, sections):
    """Bring series, patches/ and the overlay to what the commits say."""
    base = git.files('base')
    owners_of(git, commits, base)
    entries, tail = read_series()
    old = {entry.subject: entry for entry in entries}
    new, overlay, previous = [], {}, git.rev('base^{tree}')
    for number, commit in enumerate(commits, 1):
        entry, files = new_entry(git, commit, previous, number, base, old.get(commit[3]))
        new.append(entry)
        overlay |= files
        previous = commit[1]
    count = 0
    for entry in new:
        text = (f'From: {entry.author}\nSubject: [PATCH] {entry.subject}\n\n'
                f'{entry.body}---\n').encode()
        count += store(entry.patch, text + entry.diff)
    for path, (mode, blob) in overlay.items():
        count += store(path, git.blob(blob), mode)
    if sections is not None:
        ours = REPO / 'MAINTAINERS'
        if not ours.exists() or ours.read_text().strip('\n') != sections.strip('\n'):
            count += store('MAINTAINERS', sections.encode())
    lines = []
    for entry in new:
        lines += [*entry.before, ' '.join([entry.patch, *entry.files])]
    count += store('series', ''.join(line + '\n' for line in lines + tail).encode())
    keep = {entry.patch for entry in new} | set(overlay)
    for entry in entries:
        for path in [entry.patch, *entry.files]:
            if path not in keep and not path.startswith(KERNEL) and (REPO / path).exists():
                (REPO / path).unlink()
                print(f'  removed {path}')
                count += 1
    return count


def cmd_refresh(args):
    if args.source:
        git = Git(args.source)
        if git.run('status', '--porcelain', '-uno', GIT_WORK_TREE=args.source):
            print(f'note: uncommitted edits in {args.source} are not taken')
        commits, sections = take_sections(git, commits_of(git, 'HEAD'))
        count = write_repo(git, commits, sections)
        print(f'refresh: {count} files changed from {args.source}; next: make tree')
        return
    tree = Tree()
    if not tree.note('head'):
        raise Error('there is no build/tree to refresh from: run "make tree"')
    entries, _ = read_series()
    git, touched = tree.git, tree.touched()
    if inputs_hash(entries, git.rev('base')) != tree.note('inputs'):
        if touched:
            raise Error(f'the repo was changed since "make tree", and build/tree has {touched} '
                        'too.\n  Set one side aside (git stash in the repo), then repeat.')
        print('refresh: build/tree is untouched; the repo is newer: make tree')
        return
    commits = fold_edits(tree, commits_of(git, 'HEAD'))
    others, sections = take_sections(git, commits)
    count = write_repo(git, others, sections)
    expected = commits[-1][1] if commits else git.rev('base^{tree}')
    git.run('update-ref', 'refs/viommu/before-refresh', 'HEAD')
    head = build_commits(tree, read_series()[0])
    if git.rev(f'{head}^{{tree}}') != expected:
        raise Error('what was written back does not give build/tree again; its commits are '
                    'kept. Compare with: git -C build/tree diff HEAD ' + head)
    cmd_tree(args, force=True)
    print(f'refresh: {count} files changed')


def cmd_export(_args):
    tree, out = Tree(), REPO / 'build' / 'series'
    if not tree.note('head'):
        raise Error('there is no build/tree to export: run "make tree"')
    out.mkdir(parents=True, exist_ok=True)
    for stale in out.glob('*.patch'):
        stale.unlink()
    tree.git.run('format-patch', '-q', '--numbered', '--zero-commit', '--no-signature',
                 '--no-renames', '-o', str(out), 'base..' + tree.note('head'))
    print(f'build/series: {len(list(out.glob("*.patch")))} mails')


def cmd_base_id(_args):
    tree = Tree()
    print(tree.note('base-id') if tree.git.dir.exists() and tree.git.has('base') else '')


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n', 1)[0])
    commands = parser.add_subparsers(required=True)
    sub = commands.add_parser('import')
    sub.add_argument('dir')
    sub.add_argument('id')
    sub.set_defaults(run=cmd_import)
    for name, run in ('export', cmd_export), ('base-id', cmd_base_id):
        commands.add_parser(name).set_defaults(run=run)
    sub = commands.add_parser('tree')
    sub.add_argument('--keep', action='store_true', help='leave a tree with edits as it is')
    sub.set_defaults(run=cmd_tree)
    sub = commands.add_parser('refresh')
    sub.add_argument('--from', dest='source')
    sub.set_defaults(run=cmd_refresh)
    args = parser.parse_args()
    try:
        args.run(args)
    except Error as error:
        print(f'error: {error}', file=sys.stderr)
        sys.exit(1)


if __name__ == '__main__':
    main()
