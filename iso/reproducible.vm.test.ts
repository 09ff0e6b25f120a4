import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { test } from 'node:test'
import { complaints, differingImages, readExceptions } from './compare.ts'

// Two builds of one commit with the same packages. With --all only: it is a second build of the image.
if (process.env['FREEHOLD_ALL'] === '1') {
  test('a second build has the same squashfs, or differs in the named paths only', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'fh-reproducible-'))
    try {
      const build = (...args: string[]) =>
        execFileSync(resolve(import.meta.dirname, '../scripts/build-iso.sh'), args, {
          encoding: 'utf8',
          stdio: ['ignore', 'pipe', 'inherit'],
        }).trim()
      const squashfs = (iso: string, name: string): string => {
        const file = join(folder, name)
        execFileSync('xorriso', ['-osirrox', 'on', '-indev', iso, '-extract', '/live/filesystem.squashfs', file], {
          stdio: 'ignore',
        })
        return file
      }
      const found = await differingImages([squashfs(build(), '0.squashfs'), squashfs(build('--again'), '1.squashfs')], (file) => {
        execFileSync('unsquashfs', ['-no-progress', '-quiet', '-xattrs', '-dest', `${file}.root`, file], { stdio: 'ignore' })
        return `${file}.root`
      })
      assert.deepEqual(complaints(found, readExceptions(readFileSync(join(import.meta.dirname, 'exceptions.txt'), 'utf8'))), [])
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })
}
