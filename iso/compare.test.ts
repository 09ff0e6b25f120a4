import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  lutimesSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { complaints, differing, differingImages, layoutOnly, readExceptions } from './compare.ts'

/** Two equal trees, one path for each kind of difference, all of one time. */
function twins(use: (a: string, b: string) => void | Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'fh-compare-'))
  const [a, b] = [join(folder, 'a'), join(folder, 'b')]
  for (const side of [a, b]) {
    mkdirSync(join(side, 'etc/deep'), { recursive: true })
    for (const name of ['content', 'mode', 'time', 'capability', 'kind']) writeFileSync(join(side, 'etc/deep', name), 'same')
    symlinkSync('target', join(side, 'etc/deep/link'))
  }
  settle(a)
  settle(b)
  return Promise.resolve(use(a, b)).finally(() => rmSync(folder, { recursive: true }))
}
const at = 1_700_000_000
/** Gives every path the same time again, the tree's root last. */
function settle(side: string): void {
  for (const name of readdirSync(side, { recursive: true, encoding: 'utf8' })) lutimesSync(join(side, name), at, at)
  lutimesSync(side, at, at)
}

test('equal trees do not differ, part of a second apart: a squashfs keeps no more', () =>
  twins((a, b) => {
    lutimesSync(join(b, 'etc/deep/time'), at + 0.5, at + 0.5)
    assert.deepEqual(differing(a, b), [])
  }))

const changes: readonly (readonly [what: string, change: (deep: string) => void, path: string])[] = [
  ['content of the same length', (deep) => writeFileSync(join(deep, 'content'), 'emas'), '/etc/deep/content'],
  ['a mode', (deep) => chmodSync(join(deep, 'mode'), 0o4755), '/etc/deep/mode'],
  [
    'a kind',
    (deep) => {
      rmSync(join(deep, 'kind'))
      mkdirSync(join(deep, 'kind'))
    },
    '/etc/deep/kind',
  ],
  [
    'the target of a link',
    (deep) => {
      rmSync(join(deep, 'link'))
      symlinkSync('other', join(deep, 'link'))
    },
    '/etc/deep/link',
  ],
  ['a path that is there once', (deep) => writeFileSync(join(deep, 'only'), ''), '/etc/deep/only'],
  // root alone may give a capability; what another may give is read the same way
  [
    'the capabilities of a file',
    (deep) => {
      const [name, value] =
        process.getuid?.() === 0 ? ['security.capability', '0100000200040000000000000000000000000000'] : ['user.of-a-test', '00']
      const set = 'import os, sys; os.setxattr(sys.argv[1], sys.argv[2], bytes.fromhex(sys.argv[3]))'
      execFileSync('python3', ['-c', set, join(deep, 'capability'), name, value])
    },
    '/etc/deep/capability',
  ],
]
for (const [what, change, path] of changes)
  test(`${what} differs`, () =>
    twins((a, b) => {
      change(join(b, 'etc/deep'))
      settle(b)
      assert.deepEqual(differing(a, b), [path])
      assert.deepEqual(differing(b, a), [path])
    }))

test('the time of a file, of a folder and of the root itself differ', () =>
  twins((a, b) => {
    for (const path of ['etc/deep/time', 'etc/deep/link', 'etc', '']) lutimesSync(join(b, path), at + 1, at + 1)
    assert.deepEqual(differing(a, b), ['/', '/etc', '/etc/deep/link', '/etc/deep/time'])
  }))

test('of two images the hashes are compared first; paths only where those differ, and an image without a path that differs is told', () =>
  twins(async (a, b) => {
    const files = [join(a, 'etc/deep/content'), join(b, 'etc/deep/content')] as const
    const never = (): string => assert.fail('unpacked although the hashes are equal')
    assert.deepEqual(await differingImages(files, never), [])
    writeFileSync(files[1], 'another order')
    const unpack = (image: string): string => (image === files[0] ? join(a, 'etc') : join(b, 'etc'))
    settle(b)
    assert.deepEqual(await differingImages(files, unpack), ['/deep/content'])
    assert.deepEqual(await differingImages(files, () => join(a, 'etc')), [layoutOnly])
    assert.deepEqual(complaints([layoutOnly], new Map()), [`${layoutOnly} differs`])
  }))

test('a difference without a reason and a reason without a difference are complaints', () => {
  const exceptions = readExceptions('# remark\n/a — the clock\n/b — the weather\n')
  assert.deepEqual(complaints(['/a', '/c'], exceptions), ['/c differs', '/b is an exception and does not differ'])
  assert.deepEqual(complaints(['/a', '/b'], exceptions), [])
})

test('the list has at most 20 exact paths, each with its reason', () => {
  for (const text of [
    '/a\n',
    '/a — \n',
    '/var/* — all of it\n',
    'relative — reason\n',
    Array.from({ length: 21 }, (_, i) => `/${i} — reason`).join('\n'),
  ])
    assert.throws(() => readExceptions(text), text)
  readExceptions(readFileSync(join(import.meta.dirname, 'exceptions.txt'), 'utf8'))
})
