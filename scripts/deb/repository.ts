// Makes a folder of packages an apt repository that `freehold update` reads: node scripts/deb/repository.ts --key WHO DIR
// WHO is a secret key of gpg's (GNUPGHOME); its public half, `gpg --armor --export WHO`, is what packages are built with
// (FREEHOLD_UPDATE_KEY). The folder may be served by any web server, or lie on the host.
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'

const sha256 = (data: string | Buffer): string => createHash('sha256').update(data).digest('hex')

/** Writes Packages, Release and InRelease. What is there is replaced last, so that a reader never meets half of it unsigned. */
export function makeRepository(folder: string, key: string, now = new Date()): void {
  const packages = readdirSync(folder)
    .filter((name) => name.endsWith('.deb'))
    .sort()
    .map((name) => {
      const file = join(folder, name)
      const control = execFileSync('dpkg-deb', ['--field', file], { encoding: 'utf8' }).trimEnd()
      return `${control}\nFilename: ./${name}\nSize: ${statSync(file).size}\nSHA256: ${sha256(readFileSync(file))}\n`
    })
    .join('\n')
  const release = [
    'Origin: Freehold',
    'Label: Freehold',
    'Suite: stable',
    `Date: ${now.toUTCString().replace('GMT', '+0000')}`,
    'Architectures: amd64',
    'SHA256:',
    ` ${sha256(packages)} ${Buffer.byteLength(packages)} Packages`,
    '',
  ].join('\n')
  const put = (name: string, text: string) => {
    writeFileSync(join(folder, `${name}.new`), text)
    renameSync(join(folder, `${name}.new`), join(folder, name))
  }
  put('Packages', packages)
  put('Release', release)
  const signed = join(folder, 'InRelease.new')
  rmSync(signed, { force: true })
  execFileSync('gpg', ['--batch', '--yes', '--local-user', key, '--clearsign', '--output', signed, join(folder, 'Release')], {
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  renameSync(signed, join(folder, 'InRelease'))
}

if (process.argv[1] === import.meta.filename) {
  const { values, positionals } = parseArgs({ options: { key: { type: 'string' } }, allowPositionals: true })
  const [folder] = positionals
  if (values.key === undefined || folder === undefined || positionals.length > 1) {
    process.stderr.write('Usage: node scripts/deb/repository.ts --key WHO DIR\n')
    process.exit(2)
  }
  makeRepository(resolve(folder), values.key)
}
