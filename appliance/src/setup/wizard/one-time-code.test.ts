import assert from 'node:assert/strict'
import { link, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { newSetupCode, openOneTimeCode, parseSetupCode, triesPerCode, type OneTimeCode } from './one-time-code.ts'

async function open(t: TestContext): Promise<{ code: OneTimeCode; file: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'fh-code-'))
  t.after(() => rm(folder, { recursive: true }))
  const file = join(folder, 'code')
  return { code: await openOneTimeCode(file), file }
}

/** A code that is not the one shown. */
const wrongFor = ({ code }: { code: string }): string => (code === '000000' ? '000001' : '000000')

test('W2 five wrong codes void the code, also at the same moment, and the screen has another', async (t) => {
  const { code } = await open(t)
  const before = code.shown()
  const tries = await Promise.all(Array.from({ length: triesPerCode }, () => code.take(wrongFor(before))))
  assert.deepEqual(
    tries.map((one) => (one.right ? 'right' : one.renewed)),
    [false, false, false, false, true],
  )
  assert.notEqual(code.shown().code, before.code)
  assert.deepEqual([code.shown().left, code.shown().voided], [triesPerCode, 1])
  const late = await code.take(before.code)
  assert.equal(late.right, false, 'the void code opens nothing')
})

test('W2 what is left is counted down, and outlives the daemon', async (t) => {
  const { code, file } = await open(t)
  const shown = code.shown()
  const first = await code.take(wrongFor(shown))
  assert.deepEqual(first, { right: false, left: 4, renewed: false })
  const again = await openOneTimeCode(file)
  assert.deepEqual(again.shown(), { ...shown, left: 4 })
  assert.equal((await stat(file)).mode & 0o777, 0o600)
})

test('a code is right once: the same code again is wrong', async (t) => {
  const { code } = await open(t)
  const shown = code.shown().code
  const both = await Promise.all([code.take(shown), code.take(shown)])
  assert.deepEqual(
    both.map((one) => one.right),
    [true, false],
  )
})

test('words that are no code are wrong tries like others', async (t) => {
  const { code } = await open(t)
  for (const text of ['', 'é', 'A'.repeat(10_000), '12345', '1234567', '12345u']) {
    const before = code.shown().left
    const result = await code.take(text)
    assert.equal(result.right, false)
    assert.ok(!result.right && (result.renewed || result.left === before - 1))
  }
})

test('what people type instead of a digit is taken for it', () => {
  assert.equal(parseSetupCode(' ab1-o9k '), 'AB109K')
  assert.equal(parseSetupCode('iL0 0oO'), '110000')
  for (let i = 0; i < 200; i++) {
    const made = newSetupCode()
    assert.equal(parseSetupCode(`${made.slice(0, 3)}-${made.slice(3).toLowerCase()}`), made)
  }
})

test('a damaged file gives way to a new code; after setup none is left', async (t) => {
  const { file } = await open(t)
  await writeFile(file, '{"code":')
  const code = await openOneTimeCode(file)
  assert.match(code.shown().code, /^[0-9A-Z]{6}$/)
  assert.match(await readFile(file, 'utf8'), /"wrong":0/)
  await code.remove()
  await assert.rejects(stat(file), { code: 'ENOENT' })
})

test('I7 no code that was shown stays on the disk: neither one that was void, nor the last', async (t) => {
  const { code, file } = await open(t)
  // other names of the same blocks
  const witnesses = [`${file}.first`, `${file}.second`]
  for (const witness of witnesses) {
    await link(file, witness)
    await code.renew()
  }
  const last = `${file}.last`
  await link(file, last)
  await code.remove()
  for (const witness of [...witnesses, last]) assert.match(await readFile(witness, 'utf8'), /^\0+$/)
  await assert.rejects(stat(file), { code: 'ENOENT' })
})
