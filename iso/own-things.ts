import { execFileSync } from 'node:child_process'
import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'

/** Hosts of this machine's own archives, as the build takes them (build/mirror.sh); Debian's public ones are everybody's. */
export const mirrorHosts = (): string[] =>
  ['main', 'security'].flatMap((which) => {
    const address = execFileSync('sh', [resolve(import.meta.dirname, 'build/mirror.sh'), which], { encoding: 'utf8' }).trim()
    const host = /^[a-z+]+:\/\/(?:[^/@]*@)?(\[[^\]]*\]|[^/:]+)/.exec(address)?.[1]
    return host === undefined || /(?:^|\.)debian\.org$/.test(host) ? [] : [host]
  })

/**
 * What an unpacked tree has that belongs to one machine alone, or lets somebody in, each with the file in which it stands; empty for
 * a tree that may become any number of hosts (I1). Reads only.
 *
 * @param mirrors hosts of the build machine's archives, of which apt's configuration may name none
 */
export function ownThings(root: string, mirrors: readonly string[]): string[] {
  return [...passwords(root), ...identity(root), ...keys(root), ...sshServers(root), ...aptOfBuild(root, mirrors)]
}

const textOf = (root: string, file: string): string | undefined =>
  lstatSync(join(root, file), { throwIfNoEntry: false })?.isFile() === true ? readFileSync(join(root, file), 'utf8') : undefined

/** All below a folder that are no folders, by their path in the tree; links are not followed. */
function below(root: string, folder: string): string[] {
  if (lstatSync(join(root, folder), { throwIfNoEntry: false })?.isDirectory() !== true) return []
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name)
    return entry.isDirectory() ? below(root, path) : [path]
  })
}

/** shadow(5): `*` and `!…` are no password; nothing at all lets everybody in. */
function passwords(root: string): string[] {
  const shadow = textOf(root, 'etc/shadow')
  if (shadow === undefined) return ['etc/shadow: is not there']
  // without the x, the password stands in passwd(5), or there is none
  const passwd = (textOf(root, 'etc/passwd') ?? '').split('\n').filter((line) => line !== '')
  return [
    ...shadow
      .split('\n')
      .filter((line) => line !== '' && !/^[^:]+:(?:\*|![^:]*):/.test(line))
      .map((line) => `etc/shadow: ${line.split(':')[0]} has a password`),
    ...passwd
      .filter((line) => !/^[^:]+:(?:x|\*|![^:]*):/.test(line))
      .map((line) => `etc/passwd: ${line.split(':')[0]} has a password`),
    ...(/^root:/m.test(shadow) ? [] : ['etc/shadow: has no root']),
  ]
}

function identity(root: string): string[] {
  const id = textOf(root, 'etc/machine-id')?.trim() ?? ''
  return [
    ...(['', 'uninitialized'].includes(id) ? [] : ['etc/machine-id: names a machine']),
    ...['var/lib/dbus/machine-id', 'var/lib/systemd/random-seed', 'var/lib/systemd/credential.secret']
      .filter((file) => textOf(root, file) !== undefined)
      .map((file) => `${file}: is one machine's own`),
    ...below(root, 'etc/ssh')
      .filter((file) => basename(file).startsWith('ssh_host_'))
      .map((file) => `${file}: a host key`),
  ]
}

/** Keys and certificates are made at first boot; the public key of the medium's sums lies elsewhere. */
function keys(root: string): string[] {
  return ['var/lib/freehold', 'etc/freehold'].flatMap((folder) =>
    below(root, folder).flatMap((file) => {
      const named = /\.(?:pem|key|crt|cer|p12|pfx)$|(?:^|\/)id_[a-z0-9]+$/.test(file)
      const held = /-----BEGIN |^(?:0x)?[0-9a-f]{64}\s*$/i.test(textOf(root, file) ?? '')
      return named || held ? [`${file}: a key or certificate`] : []
    }),
  )
}

/** Links by which systemd or an init script starts a server of ssh; the unit itself may lie there. */
function sshServers(root: string): string[] {
  const server = /^(?:S\d\d)?(?:open)?sshd?(?:@[^.]*)?(?:\.(?:service|socket))?$|^(?:dropbear|tinysshd)[^/]*$/
  return [
    ...['etc/systemd', 'usr/lib/systemd', 'usr/local/lib/systemd'],
    ...Array.from('0123456S', (level) => `etc/rc${level}.d`),
  ].flatMap((folder) =>
    below(root, folder).flatMap((file) => {
      if (!/\.(?:wants|requires|upholds)\/|^etc\/rc.\.d\/S|^etc\/systemd\/system\/[^/]+$/.test(file)) return []
      if (lstatSync(join(root, file)).isSymbolicLink()) {
        // masked is the opposite of started
        const to = readlinkSync(join(root, file))
        return to !== '/dev/null' && (server.test(basename(file)) || server.test(basename(to))) ? [`${file}: starts ssh`] : []
      }
      return []
    }),
  )
}

/** The installer writes Debian's own names; on the medium apt knows no archive, no proxy and no login at one. */
function aptOfBuild(root: string, mirrors: readonly string[]): string[] {
  const lines = (text: string): string[] => text.split('\n').filter((line) => line.trim() !== '' && !/^\s*(?:#|\/\/)/.test(line))
  return below(root, 'etc/apt').flatMap((file) => {
    const text = textOf(root, file) ?? ''
    const said = lines(text).join('\n')
    return [
      ...(mirrors.some((host) => text.includes(host)) ? [`${file}: names the build machine's archive`] : []),
      ...(/\.(?:list|sources)$/.test(file) && said !== '' ? [`${file}: names an archive`] : []),
      ...(/apt\.conf/.test(file) && /\bproxy\b/i.test(said) ? [`${file}: names a proxy`] : []),
      ...(/auth\.conf/.test(file) && said !== '' ? [`${file}: has a login`] : []),
    ]
  })
}
