import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { MovableClock } from '../clock/clock.ts'
import { openStore } from '../store/store.ts'
import { createSessions, hashToken, sessionSeconds } from './sessions.ts'

const address = '0x00000000000000000000000000000000000000aa'

suite('sessions', () => {
  let folder = ''
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'fh-sessions-'))
  })
  after(() => rm(folder, { recursive: true, force: true }))

  test('P8 a login outlives a restart, not its 12 h, not its revocation; only a hash is at rest', async () => {
    const clock = new MovableClock()
    const path = join(folder, 'freehold.db')
    let store = await openStore(path, { clock })
    let sessions = createSessions({ clock, sessions: store.sessions })
    const { token, session } = await sessions.create(address.toUpperCase().replace('0X', '0x'), '203.0.113.7')
    assert.equal(await sessions.find(`${token}x`), undefined)
    assert.equal(await sessions.find(hashToken(token)), undefined)
    assert.equal(await sessions.find(''), undefined)
    await store.close()

    store = await openStore(path, { clock })
    sessions = createSessions({ clock, sessions: store.sessions })
    assert.equal((await sessions.find(token))?.address, address)
    assert.equal(await sessions.revoke('0x00000000000000000000000000000000000000bb', session.publicId), false)
    assert.equal((await sessions.find(token))?.publicId, session.publicId)
    const other = await sessions.create(address, '203.0.113.8')
    assert.deepEqual((await sessions.list(address)).length, 2)
    assert.equal(await sessions.revoke(address, session.publicId), true)
    assert.equal(await sessions.find(token), undefined)
    assert.ok(await sessions.find(other.token))
    clock.advance(sessionSeconds)
    assert.equal(await sessions.find(other.token), undefined)
    await store.close()
    assert.doesNotMatch((await readFile(path)).toString('latin1'), new RegExp(`${token}|${other.token}`))
  })
})
