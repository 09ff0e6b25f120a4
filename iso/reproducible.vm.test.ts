import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { test } from 'node:test'
import { complaints, differing, readExceptions } from './compare.ts'

// Two builds of one commit with the same packages. With --all only: it is a second build of the image.
if (process.env['FREEHOLD_ALL'] === '1') {
  test('a second build has the same squashfs, or differs in the named paths only', () => {
    const folder = mkdtempSync(join(tmpdir(), 'fh-reproducible-'))
    try {
      const build = (...args: string[]) =>
        execFileSync(resolve(import.meta.dirname, '../scripts/build-iso.sh'), args, {
          encoding: 'utf8',
          stdio: ['ignore', 'pipe', 'inherit'],
        }).trim()
      const roots = [build(), build('--again')].map((iso, i) => {
        const squashfs = join(folder, `${i}.squashfs`)
        execFileSync('xorriso', ['-osirrox', 'on', '-indev', iso, '-extract', '/live/filesystem.squashfs', squashfs], {
          stdio: 'ignore',
        })
        const root = join(folder, `root-${i}`)
        execFileSync('unsquashfs', ['-no-progress', '-quiet', '-dest', root, squashfs], { stdio: 'ignore' })
        return root
      })
      const found = differing(roots[0] ?? '', roots[1] ?? '')
      assert.deepEqual(complaints(found, readExceptions(readFileSync(join(import.meta.dirname, 'exceptions.txt'), 'utf8'))), [])
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })
}
