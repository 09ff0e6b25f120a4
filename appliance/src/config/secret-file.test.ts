import assert from 'node:assert/strict'
import {
  chmodSync,
  chownSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { createSecretFile, readOrCreateSecretFile, readSecretFile, replaceSecretFile } from './secret-file.ts'

const folder = mkdtempSync(join(tmpdir(), 'secret-file-'))
after(() => rmSync(folder, { recursive: true }))
const at = (name: string) => join(folder, name)
const secret = (name: string, content = 'x'): string => {
  writeFileSync(at(name), content, { mode: 0o600 })
  return at(name)
}
const refused = (pattern: RegExp) => ({ code: 'config-unreadable', message: pattern })

test('a link, a folder, a file that others may read, or one that is too long is refused, and left as it is', async () => {
  secret('plain')
  symlinkSync(at('plain'), at('link'))
  await assert.rejects(readSecretFile(at('link')), refused(/cannot be opened/))
  await assert.rejects(readSecretFile(folder), refused(/is not a plain file/))
  chmodSync(secret('open'), 0o640)
  await assert.rejects(
    readOrCreateSecretFile(at('open'), () => Promise.resolve('another')),
    refused(/mode 640/),
  )
  assert.equal(readFileSync(at('open'), 'utf8'), 'x')
  await assert.rejects(readSecretFile(secret('long', 'x'.repeat(1_048_577))), refused(/too long/))
})

// only root can give a file away
if (process.getuid?.() === 0) {
  test("another user's file is refused, but for who only looks", async () => {
    chownSync(secret('foreign'), 12_345, 12_345)
    await assert.rejects(readSecretFile(at('foreign')), refused(/belongs to another user/))
    assert.equal(String(await readSecretFile(at('foreign'), { anyOwner: true })), 'x')
  })
}

test('the error names what the file is and what to do; none is no error', async () => {
  chmodSync(secret('named'), 0o644)
  const named = { what: 'The key of the door', hint: 'Lock it.' }
  await assert.rejects(readSecretFile(at('named'), named), {
    detail: /^The key of the door can be read by others/,
    hint: 'Lock it.',
  })
  assert.equal(await readSecretFile(at('none')), undefined)
})

test('ten that create at once end with one content, of mode 600, and no draft stays', async () => {
  const made = await Promise.all(
    Array.from({ length: 10 }, (_, i) => readOrCreateSecretFile(at('new/deep/key'), () => Promise.resolve(`content ${i}`))),
  )
  assert.equal(new Set(made.map(String)).size, 1)
  assert.equal(statSync(at('new/deep/key')).mode & 0o777, 0o600)
  assert.equal(statSync(at('new')).mode & 0o777, 0o700)
  assert.deepEqual(readdirSync(at('new/deep')), ['key'])
})

test('create leaves what stands, replace takes its place', async () => {
  secret('standing', 'old')
  await createSecretFile(at('standing'), 'new')
  assert.equal(readFileSync(at('standing'), 'utf8'), 'old')
  await replaceSecretFile(at('standing'), 'new')
  assert.equal(readFileSync(at('standing'), 'utf8'), 'new')
  assert.equal(statSync(at('standing')).mode & 0o777, 0o600)
})
