import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  chownSync,
  createWriteStream,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'

/** The tree that the image installs, its programs run as its units say, in a network and a view of files of their own. */
export interface InstalledTree {
  /** Its `/`. */
  root: string
  /** argv that runs a program of this machine in the tree's network. */
  readonly within: readonly string[]
  /** argv that runs a program of the tree as root. */
  readonly inside: readonly string[]
  /** Runs a program of the tree as root to its end; answers what it printed. Throws with its words. */
  run(...argv: string[]): string
  /** Starts what a unit of the tree starts: its users, folders, environment, umask and rights, without the rest of its sandbox. */
  startUnit(name: string): ChildProcess
  /** Starts a program of this machine in the tree's network. */
  start(...argv: string[]): ChildProcess
  /** What a unit has said. */
  log(name: string): string
  /** What runs in its network: the path in the tree, or of this machine where it is no file of the tree. */
  programs(): { pid: number; path: string; ofTree: boolean }[]
  stop(): void
}

/** Unpacks the file system of an image below `folder`. Root, and room for it, are needed. */
export function unpackTree(iso: string, folder: string): string {
  const squashfs = join(folder, 'tree.squashfs')
  const root = join(folder, 'tree')
  const quiet = { stdio: 'ignore' } as const
  execFileSync('xorriso', ['-osirrox', 'on', '-indev', iso, '-extract', '/live/filesystem.squashfs', squashfs], quiet)
  execFileSync('unsquashfs', ['-no-progress', '-quiet', '-dest', root, squashfs], quiet)
  return root
}

/** Opens a tree that was unpacked. There is no first process in it, so what asks systemd for a restart is told that it was done. */
export async function openTree(root: string): Promise<InstalledTree> {
  const mounts = [
    'set -e',
    'mount --bind "$0" "$0"',
    'mount -t proc proc "$0/proc"',
    'mount --rbind /dev "$0/dev"',
    'mount -t sysfs sysfs "$0/sys"',
    // for everybody, as udev leaves it (50-udev-default.rules)
    'mount -t tmpfs tmpfs "$0/dev/net" && mknod "$0/dev/net/tun" c 10 200 && chmod 0666 "$0/dev/net/tun"',
    'ip link set lo up',
    // a way out that leads nowhere
    'ip link add up0 type veth peer name up1; ip addr add 192.0.2.10/24 dev up0; ip link set up0 up; ip link set up1 up',
    'ip route add default via 192.0.2.1',
    'echo ready; exec sleep infinity',
  ]
  const holder = spawn('unshare', ['-m', '-n', '--propagation', 'private', 'sh', '-c', mounts.join('\n'), root], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await Promise.race([
    once(holder.stdout, 'data'),
    once(holder, 'exit').then(([code]) => Promise.reject(new Error(`mounts: ${code}`))),
  ])
  const pid = String(holder.pid)
  mkdirSync(join(root, 'run/systemd/system'), { recursive: true })
  writeFileSync(join(root, 'usr/local/bin/systemctl'), '#!/bin/sh\nexit 0\n', { mode: 0o755 })
  const inside = ['nsenter', '-t', pid, '-m', '-n', 'chroot', root]
  const within = ['nsenter', '-t', pid, '-n']
  const network = readlinkSync(`/proc/${pid}/ns/net`)

  const lineOf = (file: 'passwd' | 'group', name: string): string[] => {
    const line = readFileSync(join(root, 'etc', file), 'utf8')
      .split('\n')
      .find((one) => one.startsWith(`${name}:`))
    if (line === undefined) throw new Error(`the tree has no ${name} in ${file}`)
    return line.split(':')
  }
  const idOf = (file: 'passwd' | 'group', name: string): number => Number(lineOf(file, name)[2])
  const start = ([program = '', ...args]: readonly string[], name: string): ChildProcess => {
    const log = createWriteStream(join(root, `var/log/${name}.log`), { flags: 'a' })
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] })
    child.stdout.pipe(log, { end: false })
    child.stderr.pipe(log, { end: false })
    return child
  }
  const programs: InstalledTree['programs'] = () => {
    const found: ReturnType<typeof programs> = []
    for (const name of readdirSync('/proc')) {
      if (!/^\d+$/.test(name) || name === pid) continue
      try {
        if (readlinkSync(`/proc/${name}/ns/net`) !== network) continue
        const seen = readlinkSync(`/proc/${name}/exe`)
        const path = seen.startsWith(`${root}/`) ? seen.slice(root.length) : seen
        // from outside its mounts a path says too little: the file itself is compared
        const [runs, lies] = [statSync(`/proc/${name}/exe`), statSync(join(root, path), { throwIfNoEntry: false })]
        found.push({ pid: Number(name), path, ofTree: runs.ino === lies?.ino && runs.dev === lies.dev })
      } catch {
        // it ended
      }
    }
    return found
  }

  return {
    root,
    within,
    inside,
    run: (...argv) =>
      execFileSync(inside[0] ?? '', [...inside.slice(1), ...argv], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }),
    start: (...argv) => start([...within, ...argv], 'test'),
    startUnit(name) {
      const text = readFileSync(join(root, 'usr/lib/systemd/system', `${name}.service`), 'utf8')
      const all = (key: string): string[] => [...text.matchAll(new RegExp(`^${key}=(.*)$`, 'gm'))].map(([, value = '']) => value)
      const [user = 'root'] = all('User')
      const [group = user] = all('Group')
      const [uid, gid] = [idOf('passwd', user), idOf('group', group)]
      for (const [key, base] of [
        ['RuntimeDirectory', 'run'],
        ['StateDirectory', 'var/lib'],
        ['CacheDirectory', 'var/cache'],
      ] as const) {
        for (const folder of all(key).flatMap((value) => value.split(' '))) {
          const path = join(root, base, folder)
          mkdirSync(path, { recursive: true })
          chownSync(path, uid, gid)
          chmodSync(path, Number.parseInt(all(`${key}Mode`)[0] ?? '755', 8))
        }
      }
      const groups = [
        gid,
        ...all('SupplementaryGroups')
          .flatMap((value) => value.split(' '))
          .map((one) => idOf('group', one)),
      ]
      const rights = (all('CapabilityBoundingSet')[0] ?? '').split(' ').filter((one) => one !== '')
      const bounds = ['-all', ...rights.map((one) => `+${one.replace(/^CAP_/, '').toLowerCase()}`)].join(',')
      const environment = all('Environment').map((value) => value.replaceAll(/^"|"$/g, ''))
      const argv = (all('ExecStart').findLast((value) => value !== '') ?? '').split(' ')
      const as = [
        'setpriv',
        `--reuid=${uid}`,
        `--regid=${gid}`,
        `--groups=${groups.join(',')}`,
        `--bounding-set=${bounds}`,
        '--no-new-privs',
      ]
      const given = ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin', `HOME=${lineOf('passwd', user)[5]}`]
      const script = `umask ${all('UMask')[0] ?? '0022'}; exec "$@"`
      return start([...inside, ...as, 'env', '-i', ...given, ...environment, 'sh', '-c', script, name, ...argv], name)
    },
    log: (name) => readFileSync(join(root, `var/log/${name}.log`), 'utf8'),
    programs,
    stop() {
      for (const { pid: one } of programs()) {
        try {
          process.kill(one, 'SIGKILL')
        } catch {
          // it ended by itself
        }
      }
      holder.kill('SIGKILL')
    },
  }
}
