import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { complaints, differing, readExceptions } from './compare.ts'

test('content, mode, target, kind and absence differ; what is equal does not', () => {
  const folder = mkdtempSync(join(tmpdir(), 'fh-compare-'))
  try {
    for (const [i, side] of ['a', 'b'].entries()) {
      const at = (name: string) => join(folder, side, name)
      mkdirSync(at('etc/deep'), { recursive: true })
      for (const name of ['same', 'mode']) writeFileSync(at(`etc/${name}`), 'same')
      writeFileSync(at('etc/deep/content'), `build ${i}`)
      chmodSync(at('etc/mode'), i === 0 ? 0o644 : 0o600)
      symlinkSync(`target-${i}`, at('etc/link'))
      if (i === 0) writeFileSync(at('etc/kind'), '')
      else mkdirSync(at('etc/kind'))
      if (i === 1) writeFileSync(at('etc/only'), '')
    }
    const found = differing(join(folder, 'a'), join(folder, 'b'))
    assert.deepEqual(found, ['/etc/deep/content', '/etc/kind', '/etc/link', '/etc/mode', '/etc/only'])
    assert.deepEqual(differing(join(folder, 'a'), join(folder, 'a')), [])
  } finally {
    rmSync(folder, { recursive: true })
  }
})

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
