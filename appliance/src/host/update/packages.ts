import { chmod, copyFile, link, lstat, mkdir, readFile, readlink, readdir, rm, symlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { UpdateFault } from './fault.ts'
import { packageNames, places } from './places.ts'
import { good, tool } from './tool.ts'

/** Version of each package of ours that is installed, or that the repository offers and is newer. */
export type Versions = Record<string, string>

const folder = (name: string) => join(places.state, name)

export async function installed(): Promise<Versions> {
  const found: Versions = {}
  for (const name of packageNames) {
    const { code, stdout } = await tool('dpkg-query', ['--show', '--showformat=${db:Status-Status} ${Version}', name])
    const [status, version] = stdout.trim().split(' ')
    if (code === 0 && status !== 'not-installed' && status !== 'config-files' && version !== undefined) found[name] = version
  }
  return found
}

/** Apt with our repository alone, and lists of its own: neither the system's sources nor its keys have a say. */
const alone = () => [
  '-o',
  'Dir::Etc::SourceList=/dev/null',
  '-o',
  `Dir::Etc::SourceParts=${folder('sources')}`,
  '-o',
  `Dir::State::Lists=${folder('lists')}`,
  '-o',
  'Acquire::Languages=none',
  '-o',
  'Acquire::Retries=2',
  '-o',
  'Acquire::http::Timeout=30',
  '-o',
  'Acquire::https::Timeout=30',
]

async function address(): Promise<string> {
  const read = (file: string) =>
    readFile(file, 'utf8').then(
      (text) => text.trim(),
      () => '',
    )
  const found = (await read(places.ownRepository)) || (await read(places.repository))
  if (found === '' || (await read(places.key)) === '') {
    throw new UpdateFault(
      'update-not-set',
      found === '' ? 'No update repository is set.' : 'This build has no key of an update repository, so none can be trusted.',
      found === ''
        ? `Write its address into ${places.ownRepository}: a folder as file:/…, or a URL.`
        : 'Install packages that were built with the key of the repository (scripts/build-deb.sh).',
    )
  }
  if (!/^(file:\/|https?:\/\/)[^\s\\]+$/.test(found)) {
    throw new UpdateFault(
      'update-not-set',
      `"${found.slice(0, 200)}" is no address of a repository.`,
      'Write file:/FOLDER or a URL.',
    )
  }
  return found
}

/**
 * What the repository offers that is newer than what is installed; empty: nothing. Throws `update-not-set`,
 * `update-unreachable`, `update-untrusted`.
 */
export async function offered(): Promise<Versions> {
  const at = await address()
  for (const name of ['sources', 'lists/partial']) await mkdir(folder(name), { recursive: true, mode: 0o755 })
  await writeFile(
    join(folder('sources'), 'freehold.sources'),
    `Types: deb\nURIs: ${at}\nSuites: ./\nSigned-By: ${places.key}\n`,
    { mode: 0o644 },
  )
  const { code, stderr } = await tool('apt-get', [...alone(), '--error-on=any', '--quiet', 'update'])
  if (code !== 0) {
    const said = stderr.trim().slice(-1500)
    // what apt says of a signature differs between its verifiers; of a date it does not
    if (/not valid yet|expired|Release file .* is not/.test(said))
      throw new UpdateFault(
        'update-untrusted',
        `The repository's date does not fit this machine's clock: ${said}`,
        'Set the clock right.',
      )
    if (/sign|GPG|NO_PUBKEY|BADSIG|Hash Sum|OpenPGP|sqv/i.test(said))
      throw new UpdateFault(
        'update-untrusted',
        `The repository ${at} is not signed by the key of this build, or was changed: ${said}`,
        'Nothing was installed. Ask who keeps the repository.',
      )
    throw new UpdateFault(
      'update-unreachable',
      `The repository ${at} does not answer: ${said}`,
      'Check the network and the address.',
    )
  }
  const newer: Versions = {}
  for (const [name, version] of Object.entries(await installed())) {
    const lines = (await good('apt-cache', [...alone(), 'madison', name])).split('\n')
    const candidate = lines[0]?.split('|')[1]?.trim()
    if (candidate === undefined || candidate === '') continue
    if ((await tool('dpkg', ['--compare-versions', candidate, 'gt', version])).code === 0) newer[name] = candidate
  }
  return newer
}

/** Brings the packages here, checked against the signed index, and all they need besides; nothing is installed. */
export async function fetchNew(versions: Versions): Promise<string[]> {
  const at = folder('new')
  await rm(at, { recursive: true, force: true })
  await mkdir(at, { mode: 0o755 })
  const wanted = Object.entries(versions).map(([name, version]) => `${name}=${version}`)
  try {
    await good('apt-get', [...alone(), '-o', 'APT::Sandbox::User=root', '--quiet', 'download', ...wanted], at)
    const files = await debsIn(at)
    await good('apt-get', [...installing, '--download-only', 'install', ...files])
    return files
  } catch (cause) {
    throw new UpdateFault(
      'update-not-possible',
      `The update cannot be installed here: ${(cause as Error).message}`,
      'Nothing was changed. The lines say what is in the way.',
      cause,
    )
  }
}

const installing = [
  '--yes',
  '--quiet',
  '--no-install-recommends',
  '--no-remove',
  '-o',
  'Dpkg::Options::=--force-confold',
  '-o',
  'DPkg::Lock::Timeout=300',
]

export const install = async (): Promise<void> =>
  void (await good('apt-get', [...installing, 'install', ...(await debsIn(folder('new')))]))

/** The packages of before, whatever state dpkg was left in. */
export async function installOld(): Promise<void> {
  await tool('dpkg', ['--force-confold', '--configure', '--pending'])
  await good('dpkg', ['--force-confold', '--force-downgrade', '--force-depends', '--install', ...(await debsIn(folder('old')))])
}

const debsIn = async (at: string): Promise<string[]> =>
  (await readdir(at))
    .filter((name) => name.endsWith('.deb'))
    .sort()
    .map((name) => join(at, name))

/** Makes packages again out of what is installed, so that there is a way back. Files are linked, not copied. */
export async function keepOld(versions: Versions): Promise<void> {
  const at = folder('old')
  await rm(at, { recursive: true, force: true })
  for (const name of Object.keys(versions)) {
    const root = join(at, 'root')
    await mkdir(join(root, 'DEBIAN'), { recursive: true, mode: 0o755 })
    const info = '/var/lib/dpkg/info'
    const status = await good('dpkg-query', ['--status', name])
    await writeFile(join(root, 'DEBIAN/control'), controlOf(status))
    for (const file of await readdir(info)) {
      const part = file.startsWith(`${name}.`) ? file.slice(name.length + 1) : ''
      if (!/^(preinst|postinst|prerm|postrm|md5sums|conffiles|triggers)$/.test(part)) continue
      await copyFile(join(info, file), join(root, 'DEBIAN', part))
      await chmod(join(root, 'DEBIAN', part), /^(pre|post)/.test(part) ? 0o755 : 0o644)
    }
    for (const path of (await readFile(join(info, `${name}.list`), 'utf8')).split('\n').filter((line) => line.length > 2)) {
      await take(path, join(root, path))
    }
    await good('dpkg-deb', ['--root-owner-group', '-Znone', '--build', root, join(at, `${name}.deb`)])
    await rm(root, { recursive: true })
  }
  await good('sync', ['-f', at])
}

/** The stanza of dpkg's own notes as a control file. */
export const controlOf = (status: string): string =>
  status.replaceAll(/^(Status|Config-Version|Conffiles):.*\n(?: .*\n)*/gm, '').trimEnd() + '\n'

async function take(from: string, to: string): Promise<void> {
  const stat = await lstat(from).catch(() => undefined)
  // an administrator may have taken something away: it comes back no way
  if (stat === undefined) return
  if (stat.isDirectory()) return void (await mkdir(to, { recursive: true, mode: stat.mode & 0o777 }))
  await mkdir(dirname(to), { recursive: true })
  if (stat.isSymbolicLink()) return await symlink(await readlink(from), to)
  await link(from, to).catch(async () => {
    await copyFile(from, to)
    await chmod(to, stat.mode & 0o777)
  })
}
