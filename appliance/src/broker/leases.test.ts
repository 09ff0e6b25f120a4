import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { overlap, parseCidr } from 'wireguard-ts/address'
import { generateKeyPair } from 'wireguard-ts/key'
import { findAppError } from '../errors/app-error.ts'
import type { ErrorCode } from '../errors/catalogue.ts'
import { stateOf } from './leases/state.ts'
import { contractOf, day, keyOf, start, testBook, type TestBook } from './test-broker.ts'

describe('leases', () => {
  let t: TestBook
  beforeEach(() => {
    t = testBook()
  })
  afterEach(() => t.close())

  const handle = (asked: ReturnType<TestBook['ask']>) => t.book.handle(asked, t.clock.now())
  /** Refused with this code, and nothing at all changed. */
  function refuses(code: ErrorCode, asked: ReturnType<TestBook['ask']>): void {
    const before = JSON.stringify([t.book.leases.all(), t.book.leases.ledger()])
    assert.throws(
      () => handle(asked),
      (error) => findAppError(error)?.code === code,
    )
    assert.equal(JSON.stringify([t.book.leases.all(), t.book.leases.ledger()]), before)
  }
  const later = (seconds: number): void => {
    t.clock.seconds += seconds
  }

  it('N4 refuses a key that another host holds, live or in quarantine', () => {
    const a = handle(t.ask('a'))
    refuses('broker-key-taken', t.ask('b', { wireguardKey: keyOf('a') }))
    handle(t.ask('a', { verb: 'release' }))
    refuses('broker-key-taken', t.ask('b', { wireguardKey: keyOf('a') }))
    later(30 * day)
    assert.notEqual(handle(t.ask('b', { wireguardKey: keyOf('a') })).id, a.id)
  })

  it('N4 refuses the key that a host had before its last change', () => {
    handle(t.ask('a'))
    handle(t.ask('a', { wireguardKey: keyOf('a-new') }))
    refuses('broker-key-taken', t.ask('b', { wireguardKey: keyOf('a') }))
    assert.equal(handle(t.ask('a')).peerKey, keyOf('a'), 'its own host may go back to it')
  })

  it('refuses a prefix that is held by another, live or in quarantine', () => {
    const { prefix } = handle(t.ask('a'))
    refuses('broker-prefix-taken', t.ask('b', { prefix }))
    handle(t.ask('a', { verb: 'release' }))
    refuses('broker-prefix-taken', t.ask('b', { prefix }))
    later(30 * day - 1)
    refuses('broker-prefix-taken', t.ask('b', { prefix }))
    later(1)
    assert.equal(handle(t.ask('b', { prefix })).prefix, prefix)
  })

  for (const [prefix, seen] of [
    ['2001:db9::/64', /not of this broker's pool/],
    ['fd00:1:2:3::/64', /unique local/],
    ['fe80::/64', /link-local/],
    ['2002:102:304::/64', /6to4/],
    ['2001:db8:b00::/64', /broker's own/],
    ['2001:db8:b00::/56', /broker's own/],
    ['2001:db8:b00:10::/60', /another length/],
    ['2001:db8:b00:5::1/64', /no host bits/],
    ['2001:db8:b00:5::\n/64', /no address/],
    ['10.0.0.0/24', /not an IPv6 prefix/],
    ['2001:db8::/32', /not of this broker's pool/],
  ] as const) {
    it(`refuses the wanted prefix ${JSON.stringify(prefix)}`, () => {
      assert.throws(() => handle(t.ask('a', { prefix })), { code: 'bad-input', detail: seen })
      assert.deepEqual(t.book.leases.all(), [])
    })
  }

  it('refuses whom nobody admitted, and lets a host look and give back after its listing ended', () => {
    refuses('broker-not-admitted', t.ask('a', {}, { listed: false }))
    handle(t.ask('a'))
    refuses('broker-not-admitted', t.ask('a', { verb: 'renew' }, { listed: false }))
    assert.equal(handle(t.ask('a', { verb: 'status' }, { listed: false })).endedAt, undefined)
    assert.equal(handle(t.ask('a', { verb: 'release' }, { listed: false })).endReason, 'released')
  })

  it('admits by the operator’s list and by payment', () => {
    refuses('broker-not-admitted', t.ask('a', {}, { listed: false }))
    handle(t.ask('paying', {}, { listed: false, paid: true }))
    const { identity } = handle(t.ask('a'))
    handle(t.ask('a', { verb: 'release' }))
    t.book.admit(identity, 'a friend', t.clock.now())
    handle(t.ask('a', {}, { listed: false }))
    assert.ok(t.book.dismiss(identity))
    refuses('broker-not-admitted', t.ask('a', {}, { listed: false }))
  })

  it('refuses what was asked before', () => {
    const asked = t.ask('a', { sequence: 7 })
    const first = handle(asked)
    assert.deepEqual(handle(asked), first, 'the very same request is answered again')
    refuses('broker-replayed', t.ask('a', { sequence: 6 }))
    refuses('broker-replayed', t.ask('a', { sequence: 7, verb: 'release' }))
    const paid = t.ask('payer', {}, { paid: true })
    const { until } = handle(paid)
    assert.equal(handle(paid).until, until, 'one payment, one term')
    const release = t.ask('a', { verb: 'release' })
    assert.equal(handle(release).endReason, 'released')
    assert.equal(handle(release).endReason, 'released')
  })

  it('refuses renewal, release and status without a lease', () => {
    for (const verb of ['renew', 'release', 'status'] as const) refuses('broker-no-lease', t.ask('a', { verb }))
  })

  it('refuses another size while a lease stands', () => {
    handle(t.ask('a'))
    refuses('broker-other-size', t.ask('a', { prefixLength: 56 }))
    handle(t.ask('a', { verb: 'release' }))
    assert.match(handle(t.ask('a', { prefixLength: 56 })).prefix, /\/56$/)
    assert.throws(() => handle(t.ask('c', { prefixLength: 48 })), { code: 'bad-input', detail: /\/48 is not offered/ })
  })

  it('re-request with another key: the key changes, prefix and id stay, and the ledger tells both', () => {
    const before = handle(t.ask('a'))
    later(100)
    const after = handle(t.ask('a', { wireguardKey: keyOf('a2') }))
    assert.deepEqual([after.id, after.prefix, after.peerKey], [before.id, before.prefix, keyOf('a2')])
    const address = parseCidr(before.prefix.replace('::/64', '::5'))
    assert.equal(t.book.leases.heldAt(address, start + 99)?.keyThen, keyOf('a'))
    assert.equal(t.book.leases.heldAt(address, start + 100)?.keyThen, keyOf('a2'))
  })

  it('renewal: the end moves in the second half of the term only, and never backwards', () => {
    const { until } = handle(t.ask('a'))
    later(14 * day)
    assert.equal(handle(t.ask('a', { verb: 'renew' })).until, until)
    later(2 * day)
    assert.equal(handle(t.ask('a', { verb: 'renew' })).until, t.clock.now() + 30 * day)
  })

  it('renewal in grace loses nothing', () => {
    const lease = handle(t.ask('a'))
    t.book.leases.handshake(lease.id, t.clock.now())
    later(30 * day + 1)
    assert.equal(stateOf(lease, t.clock.now()), 'grace')
    assert.deepEqual(t.book.endDue(t.clock.now()), [])
    const renewed = handle(t.ask('a', { verb: 'renew' }))
    assert.deepEqual([renewed.id, renewed.prefix, renewed.until], [lease.id, lease.prefix, t.clock.now() + 30 * day])
  })

  it('a paid term is added to what is left, up to a year ahead', () => {
    const { until } = handle(t.ask('a', {}, { paid: true }))
    assert.equal(handle(t.ask('a', { verb: 'renew' }, { paid: true })).until, until + 30 * day)
    for (let i = 0; i < 10; i += 1) handle(t.ask('a', { verb: 'renew' }, { paid: true }))
    refuses('broker-too-far-ahead', t.ask('a', { verb: 'renew' }, { paid: true }))
  })

  it('N6 the end of the grace ends the lease; 30 days of quarantine; its host gets the same prefix again', () => {
    const lease = handle(t.ask('a'))
    t.book.leases.handshake(lease.id, t.clock.now())
    later(37 * day - 1)
    assert.deepEqual(t.book.endDue(t.clock.now()), [])
    later(1)
    assert.deepEqual(
      t.book.endDue(t.clock.now()).map((ended) => ended.id),
      [lease.id],
    )
    const ended = t.book.leases.byId(lease.id)
    assert.ok(ended)
    assert.deepEqual([ended.endReason, stateOf(ended, t.clock.now())], ['expired', 'quarantined'])
    later(29 * day)
    const again = handle(t.ask('a'))
    assert.equal(again.prefix, lease.prefix)
    assert.notEqual(again.id, lease.id)
  })

  it('a prefix that another took after the quarantine is not taken back', () => {
    const { prefix } = handle(t.ask('a'))
    handle(t.ask('a', { verb: 'release' }))
    later(30 * day)
    handle(t.ask('b', { prefix }))
    assert.notEqual(handle(t.ask('a')).prefix, prefix)
  })

  it('a lease that never saw a handshake is released after a week, one that did is not', () => {
    const silent = handle(t.ask('silent'))
    const spoke = handle(t.ask('spoke'))
    t.book.leases.handshake(spoke.id, t.clock.now())
    later(7 * day)
    assert.deepEqual(
      t.book.endDue(t.clock.now()).map((lease) => [lease.id, t.book.leases.byId(lease.id)?.endReason]),
      [[silent.id, 'never-connected']],
    )
  })

  it('full pool: every network but the broker’s own is given, then the refusal says so', () => {
    t.close()
    t = testBook({ pool: '2001:db8:b00::/60' })
    const given = Array.from({ length: 15 }, (_, i) => handle(t.ask(`host-${i}`)).prefix)
    assert.equal(new Set(given).size, 15)
    assert.ok(!given.includes(parseCidr('2001:db8:b00::/64')))
    refuses('broker-pool-full', t.ask('one-more'))
    handle(t.ask('host-3', { verb: 'release' }))
    refuses('broker-pool-full', t.ask('one-more'))
    later(30 * day)
    assert.equal(handle(t.ask('one-more')).prefix, given[3], 'after the quarantine')
  })

  it('on-link pools give /120', () => {
    t.close()
    t = testBook({ pool: '2001:db8:b00:1::/64', mode: 'on-link' })
    assert.match(handle(t.ask('a')).prefix, /\/120$/)
    assert.match(handle(t.ask('b', { prefixLength: 112 })).prefix, /\/112$/)
  })

  it('never forgets: ledger and leases refuse to be thinned, and tell who held an address at a time', () => {
    const lease = handle(t.ask('a'))
    later(1000)
    handle(t.ask('a', { verb: 'release' }))
    later(40 * day)
    const other = handle(t.ask('b', { prefix: lease.prefix }))
    const address = parseCidr(lease.prefix.replace('::/64', ':1:2:3:5'))
    assert.equal(t.book.leases.heldAt(address, start - 1), undefined)
    assert.equal(t.book.leases.heldAt(address, start + 999)?.lease.contract, contractOf('a'))
    assert.equal(t.book.leases.heldAt(address, start + 1000), undefined, 'nobody, after the release')
    assert.equal(t.book.leases.heldAt(address, t.clock.now())?.lease.id, other.id)
    assert.deepEqual(
      t.book.leases.ledgerOf(lease.id).map((line) => line.event),
      ['granted', 'ended'],
    )
  })

  it('suspension stops and resumes, and stays over a renewal', () => {
    const { id } = handle(t.ask('a'))
    assert.equal(t.book.suspend(id, 'spam reported', t.clock.now()).suspendedWhy, 'spam reported')
    assert.throws(() => t.book.suspend(id, 'twice', t.clock.now()), { code: 'not-in-this-state' })
    later(20 * day)
    assert.equal(handle(t.ask('a', { verb: 'renew' })).suspendedWhy, 'spam reported')
    assert.equal(t.book.resume(id, t.clock.now()).suspendedAt, undefined)
    assert.throws(() => t.book.resume(id, t.clock.now()), { code: 'not-in-this-state' })
    assert.throws(() => t.book.suspend('l-none', 'x', t.clock.now()), { code: 'broker-no-lease' })
  })

  it('a preshared key is made where it is asked for, and anew with another key', () => {
    assert.equal(handle(t.ask('a')).presharedKey, undefined)
    const first = handle(t.ask('a', { presharedKey: true })).presharedKey
    assert.ok(first)
    assert.equal(handle(t.ask('a', { presharedKey: true })).presharedKey, first)
    assert.notEqual(handle(t.ask('a', { presharedKey: true, wireguardKey: generateKeyPair().publicKey })).presharedKey, first)
  })

  it('prefixes of live leases never overlap, whatever their sizes', () => {
    t.close()
    t = testBook({ pool: '2001:db8:b00::/54' })
    for (let i = 0; i < 3; i += 1) handle(t.ask(`large-${i}`, { prefixLength: 56 }))
    refuses('broker-pool-full', t.ask('large-3', { prefixLength: 56 }))
    for (let i = 0; i < 100; i += 1) handle(t.ask(`small-${i}`))
    const all = t.book.leases.live().map((lease) => lease.prefix)
    for (const [i, a] of all.entries()) for (const b of all.slice(i + 1)) assert.ok(!overlap(a, b), `${a} ${b}`)
  })
})
