import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { day, startTestChain } from '@freehold/appliance/chain/test-chain'
import { checkout } from '@freehold/appliance/dev/builds'
import { AppError } from '@freehold/appliance/errors/app-error'
import { deployDevToken, devTokenInterface } from '@freehold/contracts/dev-token'
import { subscriptionsInterface } from '@freehold/contracts/subscriptions-interface'
import { Contract, ContractFactory, MaxUint256, type ContractTransactionResponse, type InterfaceAbi, type Signer } from 'ethers'
import { row, type Bench } from '../row.ts'

const pricePerDay = 1_000_000n

export const gasOfBuy: Bench = {
  id: 'gas-of-buy',
  about: 'gas of buy with an ERC-20 against transferFrom and a bare ERC-721 mint',
  slow: true,
  async run(report) {
    const bare = await barePass()
    const chain = await startTestChain(`0x${'77'.repeat(20)}`)
    try {
      const { owner, alice, bob } = chain
      const token = await deployDevToken(owner)
      const passes = await new ContractFactory(bare.abi, bare.bytecode, owner).deploy()
      await passes.waitForDeployment()
      const address = await passes.getAddress()
      await chain.send(owner, 'setPrice', [0, token, pricePerDay])
      for (const who of [owner, alice, bob]) await gasOf(token, owner, 'mint', [who.address, 10n ** 12n])
      // escrow and treasury of a host in use are not empty, and somebody bought before
      await gasOf(token, owner, 'mint', [chain.contract, 1n])
      await gasOf(token, bob, 'approve', [chain.contract, MaxUint256])
      await chain.send(bob, 'buy', [0, token, day, pricePerDay, bob.address])
      await gasOf(token, alice, 'approve', [chain.contract, MaxUint256])
      await gasOf(token, alice, 'approve', [bob.address, MaxUint256])

      const transfer = await gasOf(token, bob, 'transferFrom', [alice.address, owner.address, 1n])
      const mint = await gasOf(address, owner, 'mint', [alice.address, 1n], bare.abi)
      const buy = await gasOf(
        chain.contract,
        alice,
        'buy',
        [0, token, day, pricePerDay, alice.address],
        subscriptionsInterface.fragments,
      )
      report(`buy ${buy}, transferFrom ${transfer}, mint ${mint}`)
      return [row('gas of buy with ERC-20 / transferFrom + ERC-721 mint', buy / (transfer + mint), '×', 1.5)]
    } finally {
      await chain.close()
    }
  },
}

/** Gas of a transaction of its own. Rejects if it reverts. */
async function gasOf(
  to: string,
  from: Signer,
  method: string,
  args: readonly unknown[],
  abi: InterfaceAbi = devTokenInterface.fragments,
): Promise<number> {
  const sent: ContractTransactionResponse = await new Contract(to, abi, from).getFunction(method)(...args)
  return Number((await sent.wait())?.gasUsed ?? Number.NaN)
}

/** The plain ERC-721 of the gas tests, compiled by forge. Throws `process-failed`. */
async function barePass(): Promise<{ abi: InterfaceAbi; bytecode: string }> {
  const forge = join(checkout, 'node_modules/.bin/forge')
  try {
    await promisify(execFile)(forge, ['build'], { cwd: join(checkout, 'contracts'), timeout: 600_000 })
  } catch (cause) {
    throw new AppError({
      code: 'process-failed',
      detail: 'forge could not build the contracts.',
      hint: 'Run forge build in contracts/; npm install brings forge.',
      cause,
    })
  }
  const file = await readFile(join(checkout, 'contracts/out/Gas.t.sol/BarePass.json'), 'utf8')
  const { abi, bytecode } = JSON.parse(file) as { abi: InterfaceAbi; bytecode: { object: string } }
  return { abi, bytecode: bytecode.object }
}
