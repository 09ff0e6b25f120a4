import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { Wallet } from 'ethers'
import { installationId } from '../chain/installation.ts'
import { publicServer } from './http/public-server.ts'
import { NameBook } from './names/name-book.ts'
import { nameRequestText, type NameRequest } from './names/name-request.ts'
import { nameRoutes } from './names/routes.ts'
import { startTestRegistry, type TestRegistry } from './test-registry.ts'
import type { Identity } from './types.ts'

describe('names asked for over HTTP', { timeout: 600_000 }, () => {
  let t: TestRegistry
  let names: NameBook
  let app: ReturnType<typeof publicServer>
  let published = 0
  let inside = ''
  before(async () => {
    t = await startTestRegistry({ names: { publish: () => Promise.resolve(void (published += 1)) } })
    names = new NameBook(t.db, t.broker.book.leases)
    const log = { info: () => undefined, error: () => undefined }
    app = publicServer({
      broker: t.broker,
      registry: t.registry,
      region: 'test-1',
      sign: (text) => t.agent.sign(text),
      log,
      names: nameRoutes(t.broker, t.registry, names),
    })
    const lease = await t.broker.handle({
      request: t.request(),
      paid: true,
      listed: false,
      source: { kind: 'http' },
      settled: true,
    })
    inside = lease.lease.prefix.replace('::/64', '::5')
  })
  after(async () => {
    await app.close()
    await t.close()
  })

  const envelope = (): Omit<NameRequest, 'verb' | 'label' | 'address' | 'value'> => {
    const { v, broker, chainId, contract, sequence, issuedAt, expiresAt } = t.request()
    return { v, broker, chainId, contract, sequence, issuedAt, expiresAt }
  }
  async function post(request: NameRequest, by: { signMessage(text: string): Promise<string> } = t.provisioner) {
    const answer = await app.inject({
      method: 'POST',
      url: '/v1/names',
      payload: { request, signature: await by.signMessage(nameRequestText(request)) },
    })
    return answer.json() as Record<string, unknown>
  }
  async function refuses(request: NameRequest, code: string, by?: Parameters<typeof post>[1]): Promise<void> {
    const [served, before] = [names.served(), published]
    assert.equal((await post(request, by))['code'], code)
    assert.deepEqual([names.served(), published], [served, before])
  }

  it('refuses another signer, another broker, and a signature made for a lease', async () => {
    const request = { ...envelope(), verb: 'name', label: 'shop', address: inside } as NameRequest
    await refuses(request, 'broker-signature-invalid', Wallet.createRandom())
    await refuses({ ...request, broker: Buffer.alloc(32, 9).toString('base64') } as NameRequest, 'bad-input')
    await refuses(request, 'broker-signature-invalid', { signMessage: () => t.signed(t.request()).then((one) => one.signature) })
  })

  it('refuses a look-alike, a foreign address, a wildcard, an unknown field, another clock', async () => {
    await refuses({ ...envelope(), verb: 'name', label: 'adm1n', address: inside } as NameRequest, 'broker-name-refused')
    await refuses({ ...envelope(), verb: 'name', label: '*', address: inside } as NameRequest, 'broker-name-refused')
    await refuses({ ...envelope(), verb: 'name', label: 'x'.repeat(64), address: inside } as NameRequest, 'broker-name-refused')
    await refuses({ ...envelope(), verb: 'name', label: 'shop', address: '2001:db8::1' } as NameRequest, 'bad-input')
    await refuses({ ...envelope(), verb: 'name', label: 'shop', address: inside, ttl: 1 } as unknown as NameRequest, 'bad-input')
    await refuses(
      {
        ...envelope(),
        verb: 'name',
        label: 'shop',
        address: inside,
        issuedAt: 1_700_000_000,
        expiresAt: 1_700_000_100,
      } as NameRequest,
      'broker-clock-off',
    )
    await refuses({ ...envelope(), verb: 'unname', label: 'shop' } as NameRequest, 'broker-name-refused')
    await refuses({ ...envelope(), verb: 'prove', label: 'shop', value: 'a'.repeat(43) } as NameRequest, 'broker-name-refused')
  })

  it('names, proves and takes back; each is published before it is answered, and no replay undoes it', async () => {
    const naming = { ...envelope(), verb: 'name', label: 'shop', address: inside } as NameRequest
    const before = published
    assert.equal((await post(naming))['address'], inside)
    assert.equal(published, before + 1)
    assert.deepEqual(names.served(), [
      { label: 'shop', identity: installationId(31_337, t.chain.contract) as Identity, address: inside },
    ])
    assert.ok((await post({ ...envelope(), verb: 'prove', label: 'shop', value: 'a'.repeat(43) } as NameRequest))['until'])
    assert.equal((await post({ ...envelope(), verb: 'unname', label: 'shop' } as NameRequest))['label'], 'shop')
    assert.deepEqual(names.served(), [])
    await refuses(naming, 'broker-replayed')
  })
})
