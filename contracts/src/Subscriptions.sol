// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ERC721} from "@openzeppelin/contracts/token/ERC721/ERC721.sol";
import {Ownable, Ownable2Step} from "@openzeppelin/contracts/access/Ownable2Step.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {Earning} from "./Earning.sol";
import {PassImage} from "./PassImage.sol";
import {NewPlan, Plan, PlanRules, PlanView, Price} from "./Plans.sol";

/// @title Subscriptions: plans, access passes and escrow of one Freehold host, in one contract.
/// @notice A purchase mints an access pass (ERC-721). Who holds the pass owns the subscription and its VM. The payment is
/// held in escrow and earned second by second from activation on; what is not yet earned goes back when the holder
/// cancels. No payment is kept without activation, none is earned before its time.
/// @dev Warnings for whoever integrates this contract:
/// - Passes are minted without asking the receiver (`_mint`): a contract wallet without a hook never strands a purchase.
/// - Earning does not know whether the VM runs. The holder's remedy is `cancel`; the operator's for an outage is to pay
///   `extend`.
/// - Rebasing tokens cannot be detected and must never be listed: the books are kept in the amounts of the transfers.
/// - Money is never pushed: refunds and earnings are credited and pulled by `withdraw` and `collect`.
/// - A pass is burned when its subscription ends: `ownerOf` then reverts, and the views answer holder 0.
/// - An approved operator may move a pass, and with it the VM; it may not cancel.
/// - Tokens that call back (ERC-777) are safe here, but views may be stale while such a call runs.
/// - What is sent unasked, in coin or token, stays here for ever.
/// - Pausing stops purchases only; `extend`, `cancel`, `refund`, `withdraw` and `collect` always work.
// Time is what is sold here: the seconds by which a validator may shift a block are below every duration of a plan.
// slither-disable-start timestamp
contract Subscriptions is ERC721, Ownable2Step, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;

    /*//////////////////////////////////////////////////////////////
                                 TYPES
    //////////////////////////////////////////////////////////////*/

    /// What is stored of a subscription's course; its phases follow from time.
    enum State {
        None,
        Pending,
        Active,
        Ended
    }

    /// What a subscription gives at a moment.
    enum Phase {
        None,
        Pending,
        Active,
        Grace,
        GraceOver,
        Ended
    }

    /// @notice All of one subscription in one answer.
    struct Subscription {
        uint256 tokenId;
        uint32 planId;
        State state;
        address holder;
        address buyer;
        address token;
        uint64 boughtAt;
        uint64 boughtBlock;
        uint64 activationDeadline;
        uint32 duration;
        uint64 activatedAt;
        uint64 expiresAt;
        uint64 graceEndsAt;
        uint128 paid;
        uint64 streamFrom;
        uint64 streamTo;
        uint128 settled;
    }

    /// What a purchase writes: two words.
    struct Head {
        uint32 planId;
        State state;
        uint32 duration;
        uint40 boughtAt;
        uint16 tokenIndex;
        uint128 paid;
        address buyer;
        uint64 boughtBlock;
    }

    /// Empty until activation: one word. The end of the stream is always `expiresAt`.
    struct Course {
        uint40 activatedAt;
        uint40 expiresAt;
        uint40 streamFrom;
        uint128 settled;
    }

    struct Row {
        Head head;
        Course course;
    }

    /// What `buy` reads of a plan fills the first word.
    struct PlanRow {
        uint32 used;
        uint32 capacity;
        bool open;
        uint8 kind;
        uint16 vcpus;
        uint32 memoryMiB;
        uint32 diskGiB;
        uint32 graceSeconds;
        uint32 minSeconds;
        uint32 maxSeconds;
        uint32 activationDeadlineSeconds;
        uint64 gasPerDay;
        string name;
    }

    struct PriceRow {
        uint128 perDay;
        uint16 tokenIndex;
    }

    /*//////////////////////////////////////////////////////////////
                                 ERRORS
    //////////////////////////////////////////////////////////////*/

    /// @dev There is no plan of this id.
    error UnknownPlan(uint256 planId);
    /// @dev The owner has stopped purchases for now.
    error BuyingPaused();
    /// @dev The plan is not sold any more.
    error PlanClosed(uint256 planId);
    /// @dev Every place of the plan is taken.
    error OverCapacity(uint256 planId);
    /// @dev The plan is not sold for this token.
    error TokenNotListed(address token);
    /// @dev Shorter than the plan's minimum or longer than its maximum.
    error BadDuration(uint256 duration);
    /// @dev The price is above what the payer agreed to.
    error OverMaxPayment(uint256 price, uint256 maxPayment);
    /// @dev `msg.value` is not exactly the price, or not zero with an ERC-20.
    error WrongValue(uint256 expected);
    /// @dev The token took a fee or moved another amount than asked.
    error WrongAmountReceived(uint256 expected, uint256 received);
    /// @dev The subscription is not in a state that allows this.
    error WrongState(uint256 tokenId, Phase phase);
    /// @dev The time for activation is over.
    error DeadlinePassed(uint256 tokenId);
    /// @dev The time for activation is not over yet.
    error DeadlineNotPassed(uint256 tokenId);
    /// @dev Only the holder of the pass may do this.
    error NotHolder(uint256 tokenId);
    /// @dev The grace has not ended yet.
    error GraceNotOver(uint256 tokenId);
    /// @dev Only the provisioner (or, to end, the owner) may do this.
    error NotProvisioner(address caller);
    /// @dev An address that must be set is zero.
    error ZeroAddress();
    /// @dev There is nothing to pay out.
    error NothingToPay();
    /// @dev The native transfer was refused by its receiver.
    error TransferFailed();
    /// @dev Money or a pass would be sent to this contract itself, which could never part with it.
    error BadReceiver(address to);
    /// @dev A plan lists at most 8 tokens at a time, all plans together at most 64 ever.
    error TooManyTokens();
    /// @dev Ownership is handed over, never dropped.
    error CannotRenounce();

    /*//////////////////////////////////////////////////////////////
                                 EVENTS
    //////////////////////////////////////////////////////////////*/

    /// @notice A plan was added; what never changes of it can be read by `plan`.
    event PlanAdded(uint256 indexed planId, string name);
    /// @notice A token of a plan has this price per day from now on; 0: it is not listed any more.
    event PriceSet(uint256 indexed planId, address indexed token, uint256 perDay);
    /// @notice So many subscriptions of a plan may exist from now on.
    event CapacitySet(uint256 indexed planId, uint256 capacity);
    /// @notice The sale of a plan was opened or closed.
    event OpenSet(uint256 indexed planId, bool open);
    /// @notice Earned money goes there from now on.
    event TreasurySet(address indexed treasury);
    /// @notice This key activates, rejects and ends from now on.
    event ProvisionerSet(address indexed provisioner);
    /// @notice Purchases were stopped or resumed.
    event BuyingPausedSet(bool paused);
    /// @notice A subscription was bought and its pass minted to `buyer`. `paid` in the smallest unit, `duration` in seconds.
    event Bought(
        uint256 indexed tokenId,
        uint256 indexed planId,
        address indexed buyer,
        address token,
        uint256 paid,
        uint256 duration
    );
    /// @notice The VM was delivered; its time ends at `expiresAt`, unix seconds.
    event Activated(uint256 indexed tokenId, uint256 expiresAt);
    /// @notice `payer` paid for more time; it ends at `expiresAt`, unix seconds.
    event Extended(uint256 indexed tokenId, address indexed payer, uint256 paid, uint256 expiresAt);
    /// @notice So much was earned beyond what was booked before.
    event Settled(uint256 indexed tokenId, address indexed token, uint256 amount);
    /// @notice A subscription ended and its pass was burned; `refunded` is credited to `holder`.
    /// @dev reason: 0 rejected, 1 refunded after the deadline, 2 cancelled, 3 ended after the grace
    event Ended(uint256 indexed tokenId, address indexed holder, uint8 reason, uint256 refunded);
    /// @notice A credit of `from` was paid out to `to`.
    event Withdrawn(address indexed token, address indexed from, address indexed to, uint256 amount);
    /// @notice Earned money was sent to the treasury of that moment.
    event Collected(address indexed token, address indexed treasury, uint256 amount);

    /*//////////////////////////////////////////////////////////////
                                STORAGE
    //////////////////////////////////////////////////////////////*/

    uint256 private constant MAX_TOKENS_OF_A_PLAN = 8;
    uint256 private constant MAX_TOKENS = 64;

    /// @notice The id that the next purchase gets. Pass 0 is the operator's and no subscription.
    uint64 public nextTokenId = 1;
    /// @notice Whether purchases are stopped.
    bool public buyingPaused;
    /// @notice The hot key on the host: may activate, reject and end, nothing else.
    address public provisioner;
    /// @notice Where earned money goes.
    address public treasury;

    PlanRow[] private _plans;
    address[] private _tokens;
    mapping(uint256 planId => mapping(address token => PriceRow)) private _prices;
    // filled through the storage reference `listed` of _setPrice
    // slither-disable-next-line uninitialized-state
    mapping(uint256 planId => address[]) private _planTokens;
    mapping(uint256 tokenId => Row) private _rows;

    /// @notice What `who` may withdraw in `token`.
    mapping(address token => mapping(address who => uint256)) public credited;
    /// @notice What was earned in `token` and not collected yet.
    mapping(address token => uint256) public collectable;

    /*//////////////////////////////////////////////////////////////
                              CONSTRUCTION
    //////////////////////////////////////////////////////////////*/

    /// @notice Nothing is taken from the deployer: roles and plans are arguments. Mints pass 0 to the owner.
    /// @param owner_ the operator's cold key: plans, treasury, provisioner, pause of purchases
    /// @param treasury_ where earned money goes
    /// @param provisioner_ the hot key on the host
    /// @param firstPlans get the ids 0, 1, …
    constructor(address owner_, address treasury_, address provisioner_, NewPlan[] memory firstPlans)
        ERC721("Freehold access pass", "FREEHOLD")
        Ownable(owner_)
    {
        _setTreasury(treasury_);
        _setProvisioner(provisioner_);
        for (uint256 i = 0; i < firstPlans.length; ++i) {
            _addPlan(firstPlans[i]);
        }
        _mint(owner_, 0);
    }

    /*//////////////////////////////////////////////////////////////
                                 OWNER
    //////////////////////////////////////////////////////////////*/

    /// @notice Adds a plan with its prices; returns its id.
    function addPlan(NewPlan memory newPlan) external onlyOwner returns (uint256 planId) {
        return _addPlan(newPlan);
    }

    /// @notice Lists a token of a plan at a price per day, changes it, or takes it off with 0.
    function setPrice(uint256 planId, address token, uint128 perDay) external onlyOwner {
        _plan(planId);
        _setPrice(planId, token, perDay);
    }

    /// @notice How many subscriptions of a plan may exist; may be below what is in use, and then stops sales.
    function setCapacity(uint256 planId, uint32 capacity) external onlyOwner {
        _plan(planId).capacity = capacity;
        emit CapacitySet(planId, capacity);
    }

    /// @notice Opens or closes the sale of a plan; subscriptions go on and can be extended.
    function setOpen(uint256 planId, bool open) external onlyOwner {
        _plan(planId).open = open;
        emit OpenSet(planId, open);
    }

    /// @notice Where earned money goes from now on, also what was earned before and not collected.
    function setTreasury(address treasury_) external onlyOwner {
        _setTreasury(treasury_);
    }

    /// @notice Which key activates, rejects and ends.
    function setProvisioner(address provisioner_) external onlyOwner {
        _setProvisioner(provisioner_);
    }

    /// @notice Stops or resumes purchases, nothing else.
    function setBuyingPaused(bool paused) external onlyOwner {
        buyingPaused = paused;
        emit BuyingPausedSet(paused);
    }

    /// @notice Always reverts: a contract that holds others' money must keep an owner.
    function renounceOwnership() public view override onlyOwner {
        revert CannotRenounce();
    }

    /*//////////////////////////////////////////////////////////////
                               PURCHASE
    //////////////////////////////////////////////////////////////*/

    /// @notice Buys `duration` seconds of a plan and mints the access pass to `recipient`.
    /// @param planId which plan; it must be open and have a free place
    /// @param duration seconds, within the plan's minimum and maximum
    /// @param recipient who gets the pass; needs no receiver hook
    /// @param token what to pay with; the zero address is the native coin, then `msg.value` is exactly the price
    /// @param maxPayment reverts if the price is above
    /// @return tokenId the id of subscription and pass
    function buy(uint256 planId, address token, uint256 duration, uint256 maxPayment, address recipient)
        external
        payable
        nonReentrant
        returns (uint256 tokenId)
    {
        return _buy(planId, token, duration, maxPayment, recipient);
    }

    /// @notice As `buy` with an ERC-20, with an EIP-2612 permit over `maxPayment`: name the price, so that no allowance is
    /// left. A permit that fails is ignored if the allowance suffices: somebody may have sent it first.
    /// @param deadline of the permit, unix seconds
    /// @param v of the permit's signature
    /// @param r of the permit's signature
    /// @param s of the permit's signature
    /// @return tokenId the id of subscription and pass
    // the guard of this function stands over the call of the token, and over every function that could use it
    // slither-disable-next-line reentrancy-benign
    function buyWithPermit(
        uint256 planId,
        address token,
        uint256 duration,
        uint256 maxPayment,
        address recipient,
        uint256 deadline,
        uint8 v,
        bytes32 r,
        bytes32 s
    ) external nonReentrant returns (uint256 tokenId) {
        // an address without code (the native coin) cannot be asked: `try` would not catch that
        if (token.code.length != 0) {
            try IERC20Permit(token).permit(msg.sender, address(this), maxPayment, deadline, v, r, s) {} catch {}
        }
        return _buy(planId, token, duration, maxPayment, recipient);
    }

    function _buy(uint256 planId, address token, uint256 duration, uint256 maxPayment, address recipient)
        private
        returns (uint256 tokenId)
    {
        if (buyingPaused) revert BuyingPaused();
        PlanRow storage plan_ = _plan(planId);
        if (!plan_.open) revert PlanClosed(planId);
        uint32 used = plan_.used;
        if (used >= plan_.capacity) revert OverCapacity(planId);
        if (duration < plan_.minSeconds || duration > plan_.maxSeconds) revert BadDuration(duration);
        plan_.used = used + 1;
        PriceRow memory listed = _prices[planId][token];
        uint256 amount = _charge(listed, token, duration, maxPayment);
        tokenId = nextTokenId++;
        // casts: duration ≤ maxSeconds (uint32), amount was checked in _price, planId < _plans.length
        // forge-lint: disable-next-item(unsafe-typecast)
        _rows[tokenId].head = Head({
            planId: uint32(planId),
            state: State.Pending,
            duration: uint32(duration),
            boughtAt: uint40(block.timestamp),
            tokenIndex: listed.tokenIndex,
            paid: uint128(amount),
            buyer: recipient,
            boughtBlock: uint64(block.number)
        });
        _mint(recipient, tokenId);
        emit Bought(tokenId, planId, recipient, token, amount, duration);
    }

    /// @notice Adds `duration` seconds to a subscription, paid in the token of the purchase at the plan's present price.
    /// Anyone may pay. In grace or after it the new time begins now.
    /// @param duration seconds; at least the plan's minimum, and the new expiry at most the plan's maximum from now
    /// @param maxPayment reverts if the price is above
    function extend(uint256 tokenId, uint256 duration, uint256 maxPayment) external payable nonReentrant {
        Row storage row = _active(tokenId);
        uint256 end_ = _extendedTo(row, duration);
        address token = _tokens[row.head.tokenIndex];
        uint256 amount = _charge(_prices[row.head.planId][token], token, duration, maxPayment);
        _settle(tokenId, row, token);
        uint256 rest = row.head.paid - row.course.settled + amount;
        if (rest > type(uint128).max) revert OverMaxPayment(rest, type(uint128).max);
        // forge-lint: disable-next-line(unsafe-typecast) checked the line above
        row.head.paid = uint128(rest);
        // forge-lint: disable-next-item(unsafe-typecast) at most now + maxSeconds, which is 32 bits
        row.course = Course({
            activatedAt: row.course.activatedAt,
            expiresAt: uint40(end_),
            streamFrom: uint40(block.timestamp),
            settled: 0
        });
        emit Extended(tokenId, msg.sender, amount, end_);
    }

    /*//////////////////////////////////////////////////////////////
                              PROVISIONER
    //////////////////////////////////////////////////////////////*/

    /// @notice The VM was delivered: its time begins now. Before the deadline only.
    function activate(uint256 tokenId) external nonReentrant {
        if (msg.sender != provisioner) revert NotProvisioner(msg.sender);
        Row storage row = _pending(tokenId);
        if (block.timestamp >= _deadline(row)) revert DeadlinePassed(tokenId);
        uint40 now_ = uint40(block.timestamp);
        uint40 expiresAt = now_ + row.head.duration;
        row.head.state = State.Active;
        row.course = Course({activatedAt: now_, expiresAt: expiresAt, streamFrom: now_, settled: 0});
        emit Activated(tokenId, expiresAt);
    }

    /// @notice The VM cannot be delivered: all that was paid is credited to the holder.
    function reject(uint256 tokenId) external nonReentrant {
        if (msg.sender != provisioner) revert NotProvisioner(msg.sender);
        Row storage row = _pending(tokenId);
        _end(tokenId, row, row.head.paid, 0);
    }

    /// @notice The grace is over: frees the place. By provisioner or owner.
    function end(uint256 tokenId) external nonReentrant {
        if (msg.sender != provisioner && msg.sender != owner()) revert NotProvisioner(msg.sender);
        Row storage row = _active(tokenId);
        if (block.timestamp < _graceEndsAt(row)) revert GraceNotOver(tokenId);
        _settle(tokenId, row, _tokens[row.head.tokenIndex]);
        _end(tokenId, row, 0, 3);
    }

    /*//////////////////////////////////////////////////////////////
                                 MONEY
    //////////////////////////////////////////////////////////////*/

    /// @notice Not activated in time: anyone may have all that was paid credited to the holder.
    function refund(uint256 tokenId) external nonReentrant {
        Row storage row = _pending(tokenId);
        if (block.timestamp < _deadline(row)) revert DeadlineNotPassed(tokenId);
        _end(tokenId, row, row.head.paid, 1);
    }

    /// @notice The holder ends the subscription: what is not earned, minus the plan's minimum, is credited to the holder.
    function cancel(uint256 tokenId) external nonReentrant {
        Row storage row = _active(tokenId);
        if (ownerOf(tokenId) != msg.sender) revert NotHolder(tokenId);
        uint256 earned_ = _earnedAtCancel(row);
        address token = _tokens[row.head.tokenIndex];
        _collect(tokenId, row, token, earned_);
        _end(tokenId, row, row.head.paid - earned_, 2);
    }

    /// @notice Books what a subscription has earned so far. Anyone may; how often changes nothing.
    function settle(uint256 tokenId) external nonReentrant {
        Row storage row = _active(tokenId);
        _settle(tokenId, row, _tokens[row.head.tokenIndex]);
    }

    /// @notice Pays the caller's credit in `token` out to `to`.
    function withdraw(address token, address to) external nonReentrant {
        uint256 amount = credited[token][msg.sender];
        if (amount == 0) revert NothingToPay();
        credited[token][msg.sender] = 0;
        emit Withdrawn(token, msg.sender, to, amount);
        _pay(token, to, amount);
    }

    /// @notice Sends what was earned in `token` to the treasury of this moment. Anyone may.
    function collect(address token) external nonReentrant {
        uint256 amount = collectable[token];
        if (amount == 0) revert NothingToPay();
        collectable[token] = 0;
        emit Collected(token, treasury, amount);
        _pay(token, treasury, amount);
    }

    /*//////////////////////////////////////////////////////////////
                                 VIEWS
    //////////////////////////////////////////////////////////////*/

    /// @notice All of one subscription; state None for an id that was never sold.
    function subscription(uint256 tokenId) public view returns (Subscription memory) {
        Row storage row = _rows[tokenId];
        if (row.head.state == State.None) {
            // memory begins as zeros, and that is the answer
            // slither-disable-next-line uninitialized-local
            Subscription memory none;
            none.tokenId = tokenId;
            return none;
        }
        return Subscription({
            tokenId: tokenId,
            planId: row.head.planId,
            state: row.head.state,
            holder: _ownerOf(tokenId),
            buyer: row.head.buyer,
            token: _tokens[row.head.tokenIndex],
            boughtAt: row.head.boughtAt,
            boughtBlock: row.head.boughtBlock,
            activationDeadline: uint64(_deadline(row)),
            duration: row.head.duration,
            activatedAt: row.course.activatedAt,
            expiresAt: row.course.expiresAt,
            graceEndsAt: row.course.expiresAt == 0 ? 0 : uint64(_graceEndsAt(row)),
            paid: row.head.paid,
            streamFrom: row.course.streamFrom,
            streamTo: row.course.expiresAt,
            settled: row.course.settled
        });
    }

    /// @notice As `subscription`, for many.
    function subscriptions(uint256[] calldata tokenIds) external view returns (Subscription[] memory list) {
        list = new Subscription[](tokenIds.length);
        for (uint256 i = 0; i < tokenIds.length; ++i) {
            list[i] = subscription(tokenIds[i]);
        }
    }

    /// @notice What a subscription gives at this block's time.
    function entitlement(uint256 tokenId) public view returns (Phase) {
        Row storage row = _rows[tokenId];
        if (row.head.state == State.None) return Phase.None;
        if (row.head.state == State.Pending) return Phase.Pending;
        if (row.head.state == State.Ended) return Phase.Ended;
        if (block.timestamp < row.course.expiresAt) return Phase.Active;
        return block.timestamp < _graceEndsAt(row) ? Phase.Grace : Phase.GraceOver;
    }

    /// @notice What `cancel` would credit to the holder now; all that was paid while pending.
    function refundable(uint256 tokenId) external view returns (uint256) {
        Row storage row = _rows[tokenId];
        if (row.head.state == State.Pending) return row.head.paid;
        return row.head.state == State.Active ? row.head.paid - _earnedAtCancel(row) : 0;
    }

    /// @notice What `duration` seconds of a plan cost in `token`.
    function quote(uint256 planId, address token, uint256 duration) external view returns (uint256) {
        PlanRow storage plan_ = _plan(planId);
        if (duration < plan_.minSeconds || duration > plan_.maxSeconds) revert BadDuration(duration);
        return _price(_prices[planId][token], token, duration);
    }

    /// @notice What `extend` would charge, in the token of the purchase. Reverts where `extend` would for its duration.
    function quoteExtend(uint256 tokenId, uint256 duration) external view returns (address token, uint256 amount) {
        Row storage row = _active(tokenId);
        _extendedTo(row, duration);
        token = _tokens[row.head.tokenIndex];
        amount = _price(_prices[row.head.planId][token], token, duration);
    }

    /// @notice How many more of a plan can be bought now.
    function available(uint256 planId) external view returns (uint256) {
        PlanRow storage plan_ = _plan(planId);
        if (!plan_.open || buyingPaused || plan_.used >= plan_.capacity) return 0;
        return plan_.capacity - plan_.used;
    }

    /// @notice How many plans there are; ids are 0 to planCount − 1.
    function planCount() external view returns (uint256) {
        return _plans.length;
    }

    /// @notice One plan with its prices.
    function plan(uint256 planId) public view returns (PlanView memory) {
        PlanRow storage row = _plan(planId);
        address[] storage tokens = _planTokens[planId];
        Price[] memory prices = new Price[](tokens.length);
        for (uint256 i = 0; i < tokens.length; ++i) {
            prices[i] = Price(tokens[i], _prices[planId][tokens[i]].perDay);
        }
        return PlanView({
            planId: planId,
            plan: Plan({
                name: row.name,
                kind: row.kind,
                vcpus: row.vcpus,
                memoryMiB: row.memoryMiB,
                diskGiB: row.diskGiB,
                gasPerDay: row.gasPerDay,
                graceSeconds: row.graceSeconds,
                activationDeadlineSeconds: row.activationDeadlineSeconds,
                minSeconds: row.minSeconds,
                maxSeconds: row.maxSeconds,
                capacity: row.capacity,
                open: row.open
            }),
            used: row.used,
            prices: prices
        });
    }

    /// @notice As `plan`, for many.
    function plans(uint256[] calldata planIds) external view returns (PlanView[] memory list) {
        list = new PlanView[](planIds.length);
        for (uint256 i = 0; i < planIds.length; ++i) {
            list[i] = plan(planIds[i]);
        }
    }

    /// @notice The price per day of a plan in `token`; 0 if it is not listed.
    function pricePerDay(uint256 planId, address token) external view returns (uint256) {
        return _prices[planId][token].perDay;
    }

    /// @notice The tokens a plan can be paid in, at most eight; the zero address is the native coin.
    function planTokens(uint256 planId) external view returns (address[] memory) {
        _plan(planId);
        return _planTokens[planId];
    }

    /// @notice On-chain JSON with a small picture.
    function tokenURI(uint256 tokenId) public view override returns (string memory) {
        _requireOwned(tokenId);
        if (tokenId == 0) return PassImage.operatorPass();
        Row storage row = _rows[tokenId];
        return PassImage.pass(tokenId, _plans[row.head.planId].name, row.course.expiresAt);
    }

    /*//////////////////////////////////////////////////////////////
                                INTERNAL
    //////////////////////////////////////////////////////////////*/

    /// A pass that this contract held would be lost with its VM and its refund: nobody could cancel or withdraw.
    function _update(address to, uint256 tokenId, address auth) internal override returns (address from) {
        if (to == address(this)) revert BadReceiver(to);
        return super._update(to, tokenId, auth);
    }

    function _addPlan(NewPlan memory newPlan) private returns (uint256 planId) {
        Plan memory p = newPlan.plan;
        PlanRules.check(p);
        planId = _plans.length;
        _plans.push(
            PlanRow({
                used: 0,
                capacity: p.capacity,
                open: p.open,
                kind: p.kind,
                vcpus: p.vcpus,
                memoryMiB: p.memoryMiB,
                diskGiB: p.diskGiB,
                graceSeconds: p.graceSeconds,
                minSeconds: p.minSeconds,
                maxSeconds: p.maxSeconds,
                activationDeadlineSeconds: p.activationDeadlineSeconds,
                gasPerDay: p.gasPerDay,
                name: p.name
            })
        );
        emit PlanAdded(planId, p.name);
        for (uint256 i = 0; i < newPlan.prices.length; ++i) {
            _setPrice(planId, newPlan.prices[i].token, newPlan.prices[i].perDay);
        }
    }

    function _setPrice(uint256 planId, address token, uint128 perDay) private {
        address[] storage listed = _planTokens[planId];
        uint128 before = _prices[planId][token].perDay;
        if (before == 0 && perDay != 0) {
            if (listed.length == MAX_TOKENS_OF_A_PLAN) revert TooManyTokens();
            listed.push(token);
        } else if (before != 0 && perDay == 0) {
            for (uint256 i = 0; i < listed.length; ++i) {
                if (listed[i] == token) {
                    listed[i] = listed[listed.length - 1];
                    listed.pop();
                    break;
                }
            }
        }
        if (perDay == 0) delete _prices[planId][token];
        else _prices[planId][token] = PriceRow(perDay, _tokenIndex(token));
        emit PriceSet(planId, token, perDay);
    }

    /// Tokens are never removed from the list: rows refer to them by index. It grows by owner calls only.
    function _tokenIndex(address token) private returns (uint16) {
        uint256 count = _tokens.length;
        for (uint256 i = 0; i < count; ++i) {
            // forge-lint: disable-next-line(unsafe-typecast) below MAX_TOKENS
            if (_tokens[i] == token) return uint16(i);
        }
        if (count == MAX_TOKENS) revert TooManyTokens();
        _tokens.push(token);
        // forge-lint: disable-next-line(unsafe-typecast) below MAX_TOKENS
        return uint16(count);
    }

    function _setTreasury(address treasury_) private {
        if (treasury_ == address(0)) revert ZeroAddress();
        treasury = treasury_;
        emit TreasurySet(treasury_);
    }

    function _setProvisioner(address provisioner_) private {
        if (provisioner_ == address(0)) revert ZeroAddress();
        provisioner = provisioner_;
        emit ProvisionerSet(provisioner_);
    }

    function _plan(uint256 planId) private view returns (PlanRow storage) {
        if (planId >= _plans.length) revert UnknownPlan(planId);
        return _plans[planId];
    }

    function _pending(uint256 tokenId) private view returns (Row storage row) {
        row = _rows[tokenId];
        if (row.head.state != State.Pending) revert WrongState(tokenId, entitlement(tokenId));
    }

    function _active(uint256 tokenId) private view returns (Row storage row) {
        row = _rows[tokenId];
        if (row.head.state != State.Active) revert WrongState(tokenId, entitlement(tokenId));
    }

    function _deadline(Row storage row) private view returns (uint256) {
        return uint256(row.head.boughtAt) + _plans[row.head.planId].activationDeadlineSeconds;
    }

    function _graceEndsAt(Row storage row) private view returns (uint256) {
        return uint256(row.course.expiresAt) + _plans[row.head.planId].graceSeconds;
    }

    /// The expiry after an extension.
    function _extendedTo(Row storage row, uint256 duration) private view returns (uint256 end_) {
        PlanRow storage plan_ = _plans[row.head.planId];
        uint256 maxSeconds = plan_.maxSeconds;
        if (duration < plan_.minSeconds || duration > maxSeconds) revert BadDuration(duration);
        end_ = (row.course.expiresAt > block.timestamp ? row.course.expiresAt : block.timestamp) + duration;
        if (end_ > block.timestamp + maxSeconds) revert BadDuration(duration);
    }

    /// Reckoned with the plan's minimum as used: that is never refunded.
    function _earnedAtCancel(Row storage row) private view returns (uint256) {
        uint256 minimum = uint256(row.course.activatedAt) + _plans[row.head.planId].minSeconds;
        uint256 time = block.timestamp > minimum ? block.timestamp : minimum;
        return Earning.earned(row.head.paid, row.course.streamFrom, row.course.expiresAt, time);
    }

    function _price(PriceRow memory listed, address token, uint256 duration) private pure returns (uint256 amount) {
        if (listed.perDay == 0) revert TokenNotListed(token);
        amount = Earning.price(listed.perDay, duration);
        if (amount > type(uint128).max) revert OverMaxPayment(amount, type(uint128).max);
    }

    /// Takes exactly the price into escrow.
    function _charge(PriceRow memory listed, address token, uint256 duration, uint256 maxPayment)
        private
        returns (uint256 amount)
    {
        amount = _price(listed, token, duration);
        if (amount > maxPayment) revert OverMaxPayment(amount, maxPayment);
        if (token == address(0)) {
            if (msg.value != amount) revert WrongValue(amount);
        } else {
            if (msg.value != 0) revert WrongValue(0);
            uint256 before = IERC20(token).balanceOf(address(this));
            IERC20(token).safeTransferFrom(msg.sender, address(this), amount);
            uint256 received = IERC20(token).balanceOf(address(this)) - before;
            if (received != amount) revert WrongAmountReceived(amount, received);
        }
    }

    function _settle(uint256 tokenId, Row storage row, address token) private {
        _collect(
            tokenId,
            row,
            token,
            Earning.earned(row.head.paid, row.course.streamFrom, row.course.expiresAt, block.timestamp)
        );
    }

    /// Books what was earned beyond what is booked already.
    function _collect(uint256 tokenId, Row storage row, address token, uint256 earned_) private {
        uint256 due = earned_ - row.course.settled;
        // a sum of our own books, which no transfer from outside can move; nothing due is nothing to tell
        // slither-disable-next-line incorrect-equality
        if (due == 0) return;
        // forge-lint: disable-next-line(unsafe-typecast) at most paid
        row.course.settled = uint128(earned_);
        collectable[token] += due;
        emit Settled(tokenId, token, due);
    }

    /// Burns the pass, frees the place, credits the refund to who held the pass.
    function _end(uint256 tokenId, Row storage row, uint256 refunded, uint8 reason) private {
        address holder = ownerOf(tokenId);
        row.head.state = State.Ended;
        _plans[row.head.planId].used -= 1;
        if (refunded != 0) credited[_tokens[row.head.tokenIndex]][holder] += refunded;
        _burn(tokenId);
        emit Ended(tokenId, holder, reason, refunded);
    }

    // `to` is named by whom the money is credited to, or is the treasury; the answer of the call is looked at
    // slither-disable-next-line arbitrary-send-eth,low-level-calls
    function _pay(address token, address to, uint256 amount) private {
        if (to == address(0)) revert ZeroAddress();
        // what is sent to this contract unasked can never leave it
        if (to == address(this)) revert BadReceiver(to);
        if (token == address(0)) {
            (bool ok,) = to.call{value: amount}("");
            if (!ok) revert TransferFailed();
        } else {
            IERC20(token).safeTransfer(to, amount);
        }
    }
}
// slither-disable-end timestamp
