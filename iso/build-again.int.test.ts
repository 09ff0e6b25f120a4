import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { test } from 'node:test'

// scripts/build-iso.sh with programs in the place of live-build, which note the time that they were told. Needs root, as it does.
const programs: Readonly<Record<string, string>> = {
  // a builder's root; its folder is the last but one
  mmdebstrap: 'shift $(($# - 2)); mkdir -p "$1"',
  // in-builder.sh BUILDER WORK: the image is what it was told; the last argument is the folder
  unshare: 'shift $(($# - 1)); echo "$SOURCE_DATE_EPOCH" > "$1/live-image-amd64.hybrid.iso"',
  unsquashfs: '',
  xorriso: '',
}

test('--again repeats an image with the time of that image, whatever was committed since', () => {
  const folder = mkdtempSync(join(tmpdir(), 'fh-again-'))
  try {
    const bin = join(folder, 'bin')
    mkdirSync(bin)
    for (const [name, script] of Object.entries(programs))
      writeFileSync(join(bin, name), `#!/bin/sh\nset -eu\n${script}\n`, { mode: 0o755 })
    /** Answers the time that is in the image. */
    const build = (commitTime: number, ...args: string[]): string => {
      const image = execFileSync(resolve(import.meta.dirname, '../scripts/build-iso.sh'), ['--bare', '10000000', ...args], {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
        env: {
          ...process.env,
          PATH: `${bin}:${process.env['PATH']}`,
          XDG_CACHE_HOME: folder,
          SOURCE_DATE_EPOCH: String(commitTime),
        },
      })
      return readFileSync(image.trim(), 'utf8').trim()
    }
    assert.equal(build(1000), '1000')
    assert.equal(build(2000), '1000', 'the second run is not from the cache')
    assert.equal(build(2000, '--again'), '1000')
    assert.equal(build(3000, '--again'), '1000')
    // of before its time was kept: made anew, or it could not be repeated
    const cache = join(folder, 'freehold/iso')
    for (const name of readdirSync(cache).filter((one) => one.endsWith('.epoch'))) rmSync(join(cache, name))
    assert.equal(build(4000), '4000')
    assert.equal(build(5000, '--again'), '4000')
  } finally {
    rmSync(folder, { recursive: true })
  }
})
