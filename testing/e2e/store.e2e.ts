import { Contract, formatUnits, Interface } from 'ethers'
import { subscriptionsInterface } from '@freehold/contracts/subscriptions-interface'
import { connect, expect, signIn, tabTo, test } from './fixtures.ts'

const erc20 = new Interface(['function allowance(address, address) view returns (uint256)', 'function approve(address, uint256)'])

test('S1 plans, prices and terms are readable without a wallet', async ({ page, stand }) => {
  await page.goto(stand.origin)
  const plan = page.getByRole('article', { name: 'Small' })
  await expect(plan).toContainText('0.001 ETH per day')
  await expect(plan).toContainText('512 MiB memory')
  await expect(page.getByText('What is left is paid back to the second.')).toBeVisible()
  await expect(page.getByText('The disk of a VM has one copy', { exact: false })).toBeVisible()
  await expect(page.getByRole('article', { name: 'Large' })).toContainText('Sold out')
  await expect(page.getByRole('link', { name: 'Choose Large' })).toHaveCount(0)
})

test('S2 without a wallet the page says so and shows none', async ({ page, stand }) => {
  await page.goto(`${stand.origin}/plans/0?step=review`)
  await expect(page.getByText('No wallet in this browser')).toBeVisible()
  await expect(page.getByRole('button', { name: /^Pay/ })).toHaveAttribute('aria-disabled', 'true')
})

test('S2 S4 S6 S7 S9 X12 a purchase by keyboard alone: reviewed, paid, watched through a reload, ready', async ({
  page,
  stand,
  useWallet,
}) => {
  const wallet = await useWallet([4])
  await page.emulateMedia({ reducedMotion: 'reduce' })
  await page.goto(stand.origin)
  await page.keyboard.press('Tab')
  await expect(page.getByRole('link', { name: 'Skip to content' })).toBeFocused()
  await page.keyboard.press('Enter')
  await tabTo(page, 'link', 'Choose Small')
  await page.keyboard.press('Enter')
  await expect(page).toHaveTitle(/^Buy/)
  await tabTo(page, 'radio', '30 days')
  await page.keyboard.press('ArrowUp')
  await expect(page.getByRole('radio', { name: '7 days' })).toBeChecked()
  await tabTo(page, 'button', 'Review the purchase')
  await expect(page.getByText('0.007 ETH', { exact: true })).toBeVisible()
  await page.keyboard.press('Enter')
  await tabTo(page, 'button', 'Test Wallet')
  await page.keyboard.press('Enter')
  for (const fact of [
    'Local network (network 31337)',
    '7 days',
    'One copy, no backup by the host',
    'Your remedy is to cancel',
    'except the first 1 day',
    'Balance',
  ]) {
    await expect(page.getByText(fact, { exact: false }).first()).toBeVisible()
  }
  await expect(page.getByText('Your wallet will ask 1 time')).toBeVisible()
  await tabTo(page, 'button', 'Pay 0.007')
  await page.keyboard.press('Enter')
  await expect(page).toHaveURL(/tx=0x[0-9a-f]{64}/)

  const sent = wallet.calls.find((c) => c.method === 'eth_sendTransaction')?.params[0] as {
    data: string
    value: string
    to: string
  }
  const bought = subscriptionsInterface.parseTransaction(sent)
  expect(formatUnits(sent.value, 18)).toBe('0.007')
  expect(bought?.args.toArray().map(String)).toEqual([
    '0',
    `0x${'0'.repeat(40)}`,
    String(7 * 86_400),
    String(7n * 10n ** 15n),
    wallet.addresses[0],
  ])

  await page.reload()
  await expect(page.getByText('Your VM is ready')).toBeVisible()
  await tabTo(page, 'button', 'Sign in')
  await page.keyboard.press('Enter')
  await expect(page.getByRole('group', { name: 'SSH command' })).toContainText(/^ssh -p \d+ owner@127\.0\.0\.1$/)
  await expect(page.getByRole('group', { name: 'Host key fingerprint' })).toContainText('SHA256:')
  const download = page.waitForEvent('download')
  await tabTo(page, 'button', 'Download the receipt')
  await page.keyboard.press('Enter')
  expect((await download).suggestedFilename()).toMatch(/^freehold-[0-9a-f]{12}-\d+\.json$/)
})

test('S3 the wrong network is switched by one button, adding it where the wallet does not know it; nothing is lost', async ({
  page,
  stand,
  useWallet,
}) => {
  const wallet = await useWallet([4], { startOn: 1, knowsNetwork: false })
  await page.goto(`${stand.origin}/plans/1?days=9&step=review`)
  await connect(page)
  await expect(page.getByRole('button', { name: /^Pay/ })).toHaveAttribute('aria-disabled', 'true')
  await page.getByRole('button', { name: 'Switch to Local network' }).click()
  await expect(page.getByRole('button', { name: 'Switch to Local network' })).toHaveCount(0)
  expect(wallet.calls.map((c) => c.method)).toContain('wallet_addEthereumChain')
  await expect(page.getByText('9 days', { exact: true })).toBeVisible()
  await expect(page.getByRole('button', { name: /^Pay/ })).not.toHaveAttribute('aria-disabled')
})

test('S8 X3 declined in the wallet: back at the review with the reason at its place, nothing paid', async ({
  page,
  stand,
  useWallet,
}) => {
  const wallet = await useWallet([4])
  await page.goto(`${stand.origin}/plans/0?days=7&step=review`)
  await connect(page)
  wallet.mood = 'decline'
  const before = await stand.world.nextTokenId()
  await page.getByRole('button', { name: /^Pay/ }).click()
  const alert = page.getByRole('alert').filter({ hasText: 'You declined it in the wallet' })
  await expect(alert).toBeFocused()
  await expect(page.getByRole('heading', { name: '2. Review and pay' })).toBeVisible()
  expect(await stand.world.nextTokenId()).toBe(before)
  wallet.mood = 'confirm'
  await page.getByRole('button', { name: /^Pay/ }).click()
  await expect(page).toHaveURL(/tx=/)
})

test('S5 a token is paid with a permit of exactly the amount; no allowance is left', async ({ page, stand, useWallet }) => {
  const wallet = await useWallet([4])
  await page.goto(`${stand.origin}/plans/0?days=7&step=review&token=${stand.devToken}`)
  await connect(page)
  await expect(page.getByText('Your wallet will ask 2 times')).toBeVisible()
  await expect(page.getByText(/Sign a permit for exactly 3.5/)).toBeVisible()
  await page.getByRole('button', { name: /^Pay/ }).click()
  await expect(page.getByText('Your VM is ready')).toBeVisible()
  const permit = wallet.calls.find((c) => c.method === 'eth_signTypedData_v4')?.params[1]
  expect((JSON.parse(String(permit)) as { message: { value: string } }).message.value).toBe('3500000')
  const token = new Contract(stand.devToken, erc20, stand.wallet(4).provider)
  expect(await token.getFunction('allowance').staticCall(wallet.addresses[0], stand.world.contractAddress)).toBe(0n)
})

test('S8 a wallet without enough money is told how much is needed, and is not asked', async ({ page, stand, useWallet }) => {
  const wallet = await useWallet([7])
  await page.goto(`${stand.origin}/plans/0?days=7&step=review&token=${stand.devToken}`)
  await connect(page)
  await expect(page.getByText(/The wallet holds 0.* 3.5.* is needed/)).toBeVisible()
  await page.getByRole('button', { name: /^Pay/ }).click({ force: true })
  expect(wallet.calls.map((c) => c.method)).not.toContain('eth_signTypedData_v4')
})

test('S6 S7 S8 each phase of a delivery is named, with its time and its transaction; one that hangs is found by the same wallet, and after the deadline the money comes back', async ({
  page,
  stand,
  useWallet,
}) => {
  await useWallet([8])
  stand.world.deliveryHeld = true
  await page.goto(`${stand.origin}/plans/0?days=7&step=review`)
  await connect(page)
  await page.getByRole('button', { name: /^Pay/ }).click()
  const steps = page.getByRole('main').getByRole('listitem')
  await expect(steps).toHaveText([
    /^✓Signed \(done\)/,
    /^✓Payment confirmed \(done\)/,
    /^Preparing \(now\)(Reserving addresses|Making the disk)$/,
    /^Ready \(to come\)/,
  ])
  await expect(steps.nth(2)).toContainText('Making the disk')
  await expect(page.getByText(/^\d+:\d\d so far$/)).toBeVisible()
  const progress = page.url()
  await expect(page.getByRole('group', { name: 'Transaction' })).toHaveText(new URL(progress).searchParams.get('tx') ?? 'none')
  await signIn(page, stand)
  await expect(page.getByRole('article').getByText('Preparing')).toBeVisible()
  await stand.advance(86_400 + 60)
  await page.goto(progress)
  await expect(page.getByText('The deadline has passed, your payment can be sent back')).toBeVisible()
  await page.getByRole('button', { name: 'Ask for the refund' }).click()
  await expect(page.getByText('your payment is credited')).toBeVisible()
  stand.world.deliveryHeld = false
  await page.getByRole('main').getByRole('link', { name: 'My VMs' }).click()
  await page.getByRole('button', { name: /^Withdraw 0.007/ }).click()
  await expect(page.getByText(/0.007.*was sent to/)).toBeVisible()
})

test('X2 X6 a lost link keeps the data with its time, disables writes with the reason, and comes back by itself', async ({
  page,
  stand,
}) => {
  await page.clock.install()
  await page.goto(`${stand.origin}/plans/0`)
  await expect(page.getByText('0.03 ETH', { exact: true })).toBeVisible()
  stand.fail('/v1/', 'down')
  // the plans themselves were asked for again and did not come
  const lost = page.waitForResponse((r) => r.url().endsWith('/v1/plans') && r.status() === 502)
  await page.clock.fastForward(16_000)
  await lost
  await expect(page.getByText('No link to this host')).toBeVisible()
  await expect(page.getByText(/as of \d\d:\d\d:\d\d UTC/)).toBeVisible()
  await expect(page.getByText('0.03 ETH', { exact: true })).toBeVisible()
  await expect(page.getByRole('button', { name: 'Review the purchase' })).toHaveAttribute('aria-disabled', 'true')
  stand.fail('/v1/', undefined)
  await expect(page.getByText('No link to this host')).toHaveCount(0)
  await expect(page.getByRole('button', { name: 'Review the purchase' })).not.toHaveAttribute('aria-disabled')
})

test('X2 an error says what happened and what to do, with code, request id and details to copy', async ({
  page,
  stand,
  context,
}) => {
  await context.grantPermissions(['clipboard-read', 'clipboard-write'])
  stand.fail('/v1/plans', 'rpc-unreachable')
  await page.clock.install()
  await page.goto(stand.origin)
  const alert = page.getByRole('alert').filter({ hasText: 'Could not reach the network' })
  await expect(alert).toContainText('Check the RPC address')
  await expect(alert).toContainText(/request \S+/)
  await alert.getByRole('button', { name: 'Copy details' }).click()
  expect(await page.evaluate('navigator.clipboard.readText()')).toMatch(/code: rpc-unreachable\nrequest: /)
  stand.fail('/v1/plans', undefined)
  // it asks again by itself
  await page.clock.fastForward(20_000)
  await expect(page.getByRole('heading', { name: 'Small' })).toBeVisible({ timeout: 20_000 })
})
