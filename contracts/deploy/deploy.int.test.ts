import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, beforeEach, describe, it } from 'node:test'
import { AppError } from '@freehold/appliance/errors/app-error'
import { Contract, Wallet, ZeroAddress, type JsonRpcProvider, type Signer } from 'ethers'
import {
  deploySubscriptions,
  deterministicDeployer,
  saltOf,
  type DeployEntry,
  type DeployJournal,
  type NewPlan,
} from './deploy.ts'
import { deployDevToken, devTokenInterface } from './dev-token.ts'
import { subscriptionsInterface } from './subscriptions-interface.ts'
import { startTestNode, type TestNode } from './test-node.ts'

const owner = '0x00000000000000000000000000000000000000A1'
const treasury = '0x00000000000000000000000000000000000000a2'
const provisioner = '0x00000000000000000000000000000000000000A3'
const plan: NewPlan = {
  plan: {
    name: 'small',
    kind: 0,
    vcpus: 1,
    memoryMiB: 512,
    diskGiB: 4,
    gasPerDay: 0n,
    graceSeconds: 86_400,
    activationDeadlineSeconds: 3600,
    minSeconds: 3600,
    maxSeconds: 7_776_000,
    capacity: 10,
    open: true,
  },
  prices: [{ token: ZeroAddress, perDay: 10n ** 15n }],
}
const args = { owner, treasury, provisioner, plans: [plan] }

let node: TestNode
let provider: JsonRpcProvider
let deployerCode: string
/** A fresh key with funds for each test: its count of transactions is what it deployed. */
let signer: Wallet
let salt: string
let entry: DeployEntry | undefined
const journal: DeployJournal = {
  get: () => Promise.resolve(entry),
  put: (next) => {
    entry = next
    return Promise.resolve()
  },
}

before(async () => {
  node = await startTestNode()
  provider = node.provider
  deployerCode = await provider.getCode(deterministicDeployer)
})
after(() => node.close())

async function give(address: string, wei: bigint): Promise<void> {
  await provider.send('anvil_setBalance', [address, `0x${wei.toString(16)}`])
}

async function code(): Promise<AppError['code'] | 'deployed'> {
  try {
    await deploySubscriptions({ provider, signer, args, salt, journal })
    return 'deployed'
  } catch (error) {
    assert.ok(error instanceof AppError, String(error))
    return error.code
  }
}

/** The signer as a process has it that is killed right after it sent. */
function killedAfterSending(real: Wallet): Signer {
  return new Proxy(real, {
    get(target, name, receiver) {
      if (name !== 'sendTransaction') return Reflect.get(target, name, receiver) as unknown
      return async (request: Parameters<Wallet['sendTransaction']>[0]) => {
        await target.sendTransaction(request)
        throw new Error('killed')
      }
    },
  })
}

for (const deterministic of [true, false]) {
  describe(deterministic ? 'with the deterministic deployer' : 'by a plain create', () => {
    beforeEach(async () => {
      await provider.send('anvil_setCode', [deterministicDeployer, deterministic ? deployerCode : '0x'])
      await provider.send('evm_setAutomine', [true])
      signer = new Wallet(`0x${randomBytes(32).toString('hex')}`, provider)
      await give(signer.address, 10n ** 18n)
      salt = saltOf(randomBytes(32))
      entry = undefined
    })

    it('denies another chain, and nothing was sent', async () => {
      await assert.rejects(deploySubscriptions({ provider, signer, args, salt, journal, chainId: 1 }), {
        code: 'wrong-chain',
        detail: 'The node is on chain 31337, the configuration says 1.',
      })
      assert.equal(await signer.getNonce(), 0)
      assert.equal(entry, undefined)
    })

    it('denies a key without funds, and nothing was sent', async () => {
      for (const wei of [0n, 1000n]) {
        await give(signer.address, wei)
        assert.equal(await code(), 'no-funds')
      }
      assert.equal(await signer.getNonce(), 0)
    })

    it('denies a config without treasury (M7), with the contract’s own reason, and nothing was sent', async () => {
      const placeholder = { ...args, treasury: ZeroAddress }
      await assert.rejects(deploySubscriptions({ provider, signer, args: placeholder, salt, journal }), {
        code: 'config-invalid',
        detail: 'The contract refuses these roles or plans: ZeroAddress.',
      })
      const badName = { ...args, plans: [{ ...plan, plan: { ...plan.plan, name: '<b>' } }] }
      await assert.rejects(deploySubscriptions({ provider, signer, args: badName, salt, journal }), {
        detail: 'The contract refuses these roles or plans: BadName.',
      })
      assert.equal(await signer.getNonce(), 0)
    })

    it('denies foreign code at the address of the journal', async () => {
      const foreign = await deployDevToken(signer)
      entry = { address: foreign }
      assert.equal(await code(), 'contract-missing')
    })

    it('deploys with roles and plans of the arguments', async () => {
      const result = await deploySubscriptions({ provider, signer, args, salt, journal, chainId: 31337n })
      assert.equal(result.alreadyThere, false)
      assert.notEqual(result.transactionHash, null)
      const receipt = await provider.getTransactionReceipt(result.transactionHash ?? '')
      assert.equal(receipt?.blockNumber, result.blockNumber)
      assert.equal(entry?.address, result.address)
      const contract = new Contract(result.address, subscriptionsInterface, provider)
      const read = (name: string) => contract.getFunction(name)() as Promise<unknown>
      assert.equal(await read('owner'), owner)
      assert.equal(String(await read('treasury')).toLowerCase(), treasury)
      assert.equal(await read('provisioner'), provisioner)
      assert.equal(await read('planCount'), 1n)
      assert.equal(await contract.getFunction('ownerOf')(0), owner)
    })

    it('M10: a second run finds the first one’s contract', async () => {
      const first = await deploySubscriptions({ provider, signer, args, salt, journal })
      const second = await deploySubscriptions({ provider, signer, args, salt, journal })
      assert.deepEqual(second, { ...first, transactionHash: null, alreadyThere: true, blockNumber: entry?.fromBlock })
      assert.ok(second.blockNumber <= first.blockNumber)
      assert.equal(await signer.getNonce(), 1)
    })

    it('M10: killed right after sending, mined meanwhile, deploys once', async () => {
      await assert.rejects(deploySubscriptions({ provider, signer: killedAfterSending(signer), args, salt, journal }))
      const again = await deploySubscriptions({ provider, signer, args, salt, journal })
      assert.equal(again.alreadyThere, true)
      assert.equal(await signer.getNonce(), 1)
    })

    it('M10: killed right after sending, still pending, deploys once', async () => {
      await provider.send('evm_setAutomine', [false])
      await assert.rejects(deploySubscriptions({ provider, signer: killedAfterSending(signer), args, salt, journal }))
      const early = deploySubscriptions({ provider, signer, args, salt, journal, timeoutSeconds: 0 })
      await assert.rejects(early, { code: 'timed-out' })
      const again = deploySubscriptions({ provider, signer, args, salt, journal, timeoutSeconds: 20 })
      await provider.send('evm_mine', [])
      const result = await again
      assert.equal(result.address, entry?.address)
      assert.equal(await signer.getNonce(), 1)
      assert.equal(await provider.getTransactionCount(signer.address, 'pending'), 1)
    })

    it('M10: killed while pending and repeated with other plans, no second contract is sent', async () => {
      await provider.send('evm_setAutomine', [false])
      await assert.rejects(deploySubscriptions({ provider, signer: killedAfterSending(signer), args, salt, journal }))
      const promised = entry?.address
      const edited = { ...args, plans: [{ ...plan, prices: [{ token: ZeroAddress, perDay: 7n }] }] }
      const early = deploySubscriptions({ provider, signer, args: edited, salt, journal, timeoutSeconds: 0 })
      await assert.rejects(early, { code: 'timed-out' })
      assert.equal(entry?.address, promised, 'the journal keeps what is under way')
      await provider.send('evm_mine', [])
      // the caller compares its plans with the contract's: what was under way could not be called back
      const again = await deploySubscriptions({ provider, signer, args: edited, salt, journal, timeoutSeconds: 20 })
      assert.equal(again.address, promised)
      assert.equal(entry?.address, promised)
      assert.equal(await signer.getNonce(), 1)
      assert.equal(await provider.getTransactionCount(signer.address, 'pending'), 1)
    })

    it('M10: killed before sending, the next run deploys where the journal says or says it anew', async () => {
      const dead = new Proxy(signer, {
        get: (target, name, receiver) =>
          name === 'sendTransaction'
            ? () => Promise.reject(new Error('killed'))
            : (Reflect.get(target, name, receiver) as unknown),
      })
      await assert.rejects(deploySubscriptions({ provider, signer: dead, args, salt, journal }), { code: 'transaction-failed' })
      const promised = entry?.address
      const result = await deploySubscriptions({ provider, signer, args, salt, journal })
      assert.equal(result.address, promised)
    })
  })
}

describe('the development token', () => {
  it('has six decimals and mints for anybody', async () => {
    signer = new Wallet(`0x${randomBytes(32).toString('hex')}`, provider)
    await give(signer.address, 10n ** 18n)
    const token = new Contract(await deployDevToken(signer), devTokenInterface, signer)
    assert.equal(await token.getFunction('decimals')(), 6n)
    assert.equal(await token.getFunction('symbol')(), 'dUSD')
    const sent = (await token.getFunction('mint')(owner, 5n)) as { wait(): Promise<unknown> }
    await sent.wait()
    assert.equal(await token.getFunction('balanceOf')(owner), 5n)
  })
})
