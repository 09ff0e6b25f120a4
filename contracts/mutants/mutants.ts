/** One wrong contract: what is replaced, what that breaks, and which test must fail by it. */
export interface Mutant {
  file: 'Earning' | 'Plans' | 'Subscriptions'
  /** Stands exactly once in the file. */
  before: string
  after: string
  breaks: string
  /** `Contract.test` of the suite that must kill it. */
  killedBy: string
  /** What that test must say: acts on one world fail for many reasons, this one is meant. */
  says?: string
  /** One of the few that CI tries; the others wait for `--all`. */
  always?: true
}

const provisionerOnly = '        if (msg.sender != provisioner) revert NotProvisioner(msg.sender);\n'

/** Wrong signs, dropped checks, swapped roundings, missing roles. */
export const mutants: readonly Mutant[] = [
  {
    file: 'Earning',
    before: 'return product == 0 ? 0 : (product - 1) / DAY + 1;',
    after: 'return product / DAY;',
    breaks: 'prices are rounded down: seconds for nothing',
    killedBy: 'HostileTest.testFuzz_tokensOf0And2And30Decimals',
    always: true,
  },
  {
    file: 'Earning',
    before: 'return paid * (time - from) / (to - from);',
    after: 'return (paid * (time - from) + (to - from) - 1) / (to - from);',
    breaks: 'earnings are rounded up: earned before its time',
    killedBy: 'MoneyTest.testFuzz_cancel_refundsWhatIsNotEarned',
  },
  {
    file: 'Earning',
    before: 'if (time >= to) return paid;',
    after: '',
    breaks: 'a stream goes on after its end: more earned than paid',
    killedBy: 'MoneyTest.test_cancel_inGraceRefundsNothing',
  },
  {
    file: 'Plans',
    before: 'plan.graceSeconds < 1 days || ',
    after: '',
    breaks: 'a plan without grace: disks are taken at expiry',
    killedBy: 'OwnerTest.test_addPlan_refusesDurationsOutOfRange',
  },
  {
    file: 'Subscriptions',
    before: 'if (block.timestamp >= _deadline(row)) revert DeadlinePassed(tokenId);',
    after: 'if (block.timestamp > _deadline(row)) revert DeadlinePassed(tokenId);',
    breaks: 'at the second of the deadline both activation and refund are possible',
    killedBy: 'CourseTest.test_activate_refusesFromTheDeadlineOn',
  },
  {
    file: 'Subscriptions',
    before: 'if (block.timestamp < _deadline(row)) revert DeadlineNotPassed(tokenId);',
    after: '',
    breaks: 'anybody ends a purchase that is being delivered',
    killedBy: 'CourseTest.testFuzz_deadline_eitherActivationOrRefund',
  },
  {
    file: 'Subscriptions',
    before: 'if (block.timestamp < _graceEndsAt(row)) revert GraceNotOver(tokenId);',
    after: '',
    breaks: 'a stolen server key ends what is paid for',
    killedBy: 'CourseTest.testFuzz_end_refusesBeforeTheGraceIsOver',
  },
  {
    file: 'Subscriptions',
    before: 'if (ownerOf(tokenId) != msg.sender) revert NotHolder(tokenId);',
    after: '',
    breaks: 'anybody cancels',
    killedBy: 'MoneyTest.test_cancel_refusesOthersThanTheHolder',
  },
  {
    file: 'Subscriptions',
    before: `function activate(uint256 tokenId) external nonReentrant {\n${provisionerOnly}`,
    after: 'function activate(uint256 tokenId) external nonReentrant {\n',
    breaks: 'anybody starts the clock',
    killedBy: 'TransitionsTest.test_everyStateEveryCallEveryCaller',
  },
  {
    file: 'Subscriptions',
    before: `function reject(uint256 tokenId) external nonReentrant {\n${provisionerOnly}`,
    after: 'function reject(uint256 tokenId) external nonReentrant {\n',
    breaks: 'anybody rejects',
    killedBy: 'TransitionsTest.test_everyStateEveryCallEveryCaller',
    always: true,
  },
  {
    file: 'Subscriptions',
    before: 'function setTreasury(address treasury_) external onlyOwner {',
    after: 'function setTreasury(address treasury_) external {',
    breaks: 'anybody takes what is earned',
    killedBy: 'PromisesTest.test_M5_aStolenServerKeyNeverTakesTheTreasury',
  },
  {
    file: 'Subscriptions',
    before: '        _settle(tokenId, row, token);\n        uint256 rest',
    after: '        uint256 rest',
    breaks: 'an extension gives back what was earned',
    killedBy: 'MoneyTest.test_cancel_rightAfterAnExtension',
  },
  {
    file: 'Subscriptions',
    before: 'uint256 rest = row.head.paid - row.course.settled + amount;',
    after: 'uint256 rest = row.head.paid + row.course.settled + amount;',
    breaks: 'more is owed than was paid in',
    killedBy: 'MoneyTest.test_cancel_rightAfterAnExtension',
    always: true,
  },
  {
    file: 'Subscriptions',
    before: '(row.course.expiresAt > block.timestamp ? row.course.expiresAt : block.timestamp) + duration',
    after: 'row.course.expiresAt + duration',
    breaks: 'time bought in the grace is partly over already',
    killedBy: 'ExtendTest.test_afterTheGrace_untilEnded',
  },
  {
    file: 'Subscriptions',
    before: 'if (end_ > block.timestamp + maxSeconds) revert BadDuration(duration);',
    after: '',
    breaks: 'a plan is sold beyond its longest time',
    killedBy: 'ExtendTest.testFuzz_refuses_beyondTheMaximumFromNow',
  },
  {
    file: 'Subscriptions',
    before: 'uint256 time = block.timestamp > minimum ? block.timestamp : minimum;',
    after: 'uint256 time = block.timestamp;',
    breaks: 'the minimum is refunded',
    killedBy: 'MoneyTest.testFuzz_cancel_neverRefundsTheMinimum',
  },
  {
    file: 'Subscriptions',
    before: '_plans[row.head.planId].used -= 1;',
    after: '',
    breaks: 'places never come back',
    killedBy: 'CourseTest.test_ended_refusesEverything_whicheverWayItEnded',
  },
  {
    file: 'Subscriptions',
    before: 'address holder = ownerOf(tokenId);',
    after: 'address holder = row.head.buyer;',
    breaks: 'a refund goes to who sold the pass',
    killedBy: 'PromisesTest.test_M9_passAndSubscriptionAreNeverInDifferentHands',
  },
  {
    file: 'Subscriptions',
    before: '        _burn(tokenId);\n        emit Ended',
    after: '        emit Ended',
    breaks: 'a pass outlives its subscription',
    killedBy: 'HostileTest.test_aSellerWhoCancelsBeforeTheSaleFills_leavesNothingToSell',
  },
  {
    file: 'Subscriptions',
    before: '        credited[token][msg.sender] = 0;\n',
    after: '',
    breaks: 'a credit is paid again and again',
    killedBy: 'MoneyTest.testFuzz_withdraw_paysOnceToWhomItIsTold',
    always: true,
  },
  {
    file: 'Subscriptions',
    before: '_pay(token, treasury, amount);',
    after: '_pay(token, msg.sender, amount);',
    breaks: 'who collects keeps it',
    killedBy: 'MoneyTest.testFuzz_collect_byAnyone_goesToTheTreasuryOfThatMoment',
  },
  {
    file: 'Subscriptions',
    before: 'if (received != amount) revert WrongAmountReceived(amount, received);',
    after: '',
    breaks: 'a token with a fee leaves the escrow short',
    killedBy: 'BuyTest.test_refuses_feeOnTransfer',
  },
  {
    file: 'Subscriptions',
    before: 'function withdraw(address token, address to) external nonReentrant {',
    after: 'function withdraw(address token, address to) external {',
    breaks: 'a token that calls back moves money in the middle of a payment',
    killedBy: 'MoneyTest.test_aTokenThatCallsBack_isRefusedEverywhere',
  },
  {
    file: 'Subscriptions',
    before: 'if (amount > maxPayment) revert OverMaxPayment(amount, maxPayment);',
    after: '',
    breaks: 'a price raised in the last second is charged',
    killedBy: 'PromisesTest.test_M1_holdsForAnExtensionToo',
  },
  {
    file: 'Subscriptions',
    before: 'if (used >= plan_.capacity) revert OverCapacity(planId);',
    after: 'if (used > plan_.capacity) revert OverCapacity(planId);',
    breaks: 'one more is sold than there is room for',
    killedBy: 'BuyTest.test_refuses_overCapacity',
  },
  {
    file: 'Subscriptions',
    before: 'if (msg.value != amount) revert WrongValue(amount);',
    after: 'if (msg.value < amount) revert WrongValue(amount);',
    breaks: 'coin above the price is lost',
    killedBy: 'BuyTest.testFuzz_refuses_anyOtherValue',
  },
  // each of the six sentences fails, and in its own words
  {
    file: 'Subscriptions',
    before: '        collectable[token] = 0;\n',
    after: '',
    breaks: 'what was earned is collected again and again',
    killedBy: 'InvariantsTest.invariant_noSequencePaysOutMoreThanWasPaidIn',
    says: 'balance',
  },
  {
    file: 'Subscriptions',
    before: '        _settle(tokenId, row, token);\n        uint256 rest',
    after: '        uint256 rest',
    breaks: 'what was earned before an extension is earned no more',
    killedBy: 'InvariantsTest.invariant_earnedNeverDecreasesAndNeverDependsOnHowOftenSettleIsCalled',
    says: 'a subscription has earned less than it had before',
  },
  {
    file: 'Earning',
    before: 'return paid * (time - from) / (to - from);',
    after: 'return (paid * (time - from) + (to - from) - 1) / (to - from);',
    breaks: 'earnings are booked before they are earned',
    killedBy: 'InvariantsTest.invariant_earnedNeverDecreasesAndNeverDependsOnHowOftenSettleIsCalled',
    says: 'the stream holds what was paid and is not earned',
  },
  {
    file: 'Subscriptions',
    before: '_plans[row.head.planId].used -= 1;',
    after: '',
    breaks: 'an end frees no place',
    killedBy: 'InvariantsTest.invariant_capacityIsNeverExceededAndSlotsReturnOnlyByAnEndingTransaction',
    says: 'used',
  },
  {
    file: 'Subscriptions',
    before: '_pay(token, treasury, amount);',
    after: '_pay(token, msg.sender, amount);',
    breaks: 'the provisioner keeps what it collects',
    killedBy: 'InvariantsTest.invariant_nothingTheProvisionerCallsPaysAnyoneButTheHolderAndAsEarnedTheTreasury',
    says: 'the treasury has what was collected',
  },
  {
    file: 'Subscriptions',
    before: '        _burn(tokenId);\n        emit Ended',
    after: '        emit Ended',
    breaks: 'an ended pass has a holder',
    killedBy: 'InvariantsTest.invariant_aBurnedPassCanNeverBeActedOn',
    says: 'holder of an ended one',
  },
  {
    file: 'Subscriptions',
    before: 'streamFrom: uint40(block.timestamp),\n            settled: 0',
    after: 'streamFrom: row.course.streamFrom,\n            settled: 0',
    breaks: 'an extension is partly earned at once',
    killedBy: 'InvariantsTest.invariant_theHolderAfterAnyExtensionIsNeverWorseOffThanBeforeIt',
    says: 'never a smaller refund now',
  },
]
