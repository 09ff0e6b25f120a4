import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'

/** The checkout that the tests run in. */
export const checkout = resolve(import.meta.dirname, '../../../..')

/**
 * Unpacks the base of the guest image (scripts/build-template.sh --base) without kernel and devices, for tests that need a real
 * Debian to install into. Returns the new folder, `/tmp/<prefix>…`, with `folders` made in it.
 */
export function unpackGuestBase(prefix: string, folders: readonly string[]): string {
  const base = execFileSync(join(checkout, 'scripts/build-template.sh'), ['--base'], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  }).trim()
  const folder = mkdtempSync(join(tmpdir(), prefix))
  const without = ['./dev/*', './boot/*', './usr/lib/modules/*'].map((path) => `--exclude=${path}`)
  execFileSync('tar', ['--extract', '--file', base, '--directory', folder, ...without])
  for (const name of ['dev', 'proc', ...folders]) mkdirSync(join(folder, name), { recursive: true })
  // a cut of power is a kill here, and a kill loses nothing that was written
  writeFileSync(join(folder, 'etc/dpkg/dpkg.cfg.d/quick'), 'force-unsafe-io\n')
  return folder
}
