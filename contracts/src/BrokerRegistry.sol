// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

/// @notice What the registry asks of an installation's `Subscriptions` contract: who speaks for the host.
interface IInstallation {
    function owner() external view returns (address);
    function provisioner() external view returns (address);
}

/// @title BrokerRegistry: who brokers public IPv6, and how a host asks for a prefix.
/// @notice Anybody may register a broker; nobody owns the registry. A host asks in the name of its `Subscriptions` contract.
/// A broker answers each request exactly once, with a grant or a refusal, and keeps the fee only with a grant. Requests and
/// grants are ciphertexts: the contract sees who asks whom and nothing of keys, endpoints and prefixes.
/// @dev Warnings for whoever integrates this contract:
/// - A registered broker is a claim, not a recommendation: whom to trust is the host's choice.
/// - Being the owner of a contract that answers `owner()` is no ticket: a request needs the broker's listing or its fee.
/// - The installation's contract is called with a static call; it may lie about its owner, and then only for itself.
/// - Fees are native coin, credited and pulled by `withdraw`; nothing is pushed.
/// - A payload stays readable for ever. Who steals a broker's key reads the requests of its past: rotate it by `update`.
/// - What was granted, and until when, is agreed off chain, signed by both sides; the chain keeps the request and its outcome.
// The answer window is days: the seconds by which a validator may shift a block do not matter.
// slither-disable-start timestamp
contract BrokerRegistry is ReentrancyGuardTransient {
    /*//////////////////////////////////////////////////////////////
                                 TYPES
    //////////////////////////////////////////////////////////////*/

    /// How much a broker has left, in its own words.
    enum Capacity {
        Available,
        Limited,
        Closed
    }

    /// What became of a request; all but `Open` are final.
    enum Outcome {
        None,
        Open,
        Granted,
        Refused,
        Withdrawn
    }

    /// @notice What a broker says of itself.
    struct Profile {
        /// the hot key of the service: answers, lists, tells the capacity
        address agent;
        /// fee of one term, in wei; 0: listed installations only
        uint128 fee;
        uint32 termSeconds;
        uint32 graceSeconds;
        /// P-256 point, uncompressed, 65 bytes: what requests are encrypted to (RFC 9180)
        bytes key;
        /// `[a-z0-9-]{1,32}`
        string region;
        /// base URL of the signed HTTP path; https, printable ASCII, at most 128 bytes
        string url;
    }

    /// @notice One broker in one answer.
    struct Broker {
        uint256 brokerId;
        address operator;
        bool active;
        Capacity capacity;
        /// rises with every change of fee, term or grace
        uint32 termsVersion;
        Profile profile;
    }

    /// @notice One request in one answer.
    struct Request {
        uint256 requestId;
        uint256 brokerId;
        address installation;
        address asker;
        uint128 fee;
        uint64 askedAt;
        Outcome outcome;
        /// why it was refused; 0 else
        uint8 code;
        bytes question;
        bytes answer;
    }

    struct BrokerRow {
        address operator;
        uint32 termsVersion;
        bool active;
        Capacity capacity;
        address offeredTo;
        Profile profile;
    }

    struct RequestRow {
        address asker;
        uint64 askedAt;
        Outcome outcome;
        uint8 code;
        address installation;
        uint64 brokerId;
        uint128 fee;
        bytes question;
        bytes answer;
    }

    /*//////////////////////////////////////////////////////////////
                                 ERRORS
    //////////////////////////////////////////////////////////////*/

    /// @dev There is no broker of this id.
    error UnknownBroker(uint256 brokerId);
    /// @dev There is no request of this id.
    error UnknownRequest(uint256 requestId);
    /// @dev Only the broker's operator may do this.
    error NotOperator(address caller);
    /// @dev Only the broker's operator or agent may do this.
    error NotAgent(address caller);
    /// @dev Only who asked may do this.
    error NotAsker(address caller);
    /// @dev The caller is neither owner nor provisioner of the installation.
    error NotInstallation(address installation, address caller);
    /// @dev The installation is not listed by the broker and the broker takes no fee.
    error NotListed(uint256 brokerId, address installation);
    /// @dev The broker does not take requests now.
    error BrokerClosed(uint256 brokerId);
    /// @dev Fee, term or grace changed since they were read.
    error TermsChanged(uint32 termsVersion);
    /// @dev `msg.value` is not exactly the fee, or not zero for a listed installation.
    error WrongValue(uint256 expected);
    /// @dev The installation's former request to this broker is still open.
    error RequestOpen(uint256 requestId);
    /// @dev The request has its outcome already.
    error RequestDone(uint256 requestId, Outcome outcome);
    /// @dev The time for an answer is over: the fee can be claimed back.
    error AnswerTooLate(uint256 requestId);
    /// @dev The time for an answer is not over yet.
    error AnswerWindowOpen(uint256 requestId);
    /// @dev Not 1 to 1024 bytes.
    error BadPayload(uint256 length);
    /// @dev Not an uncompressed point of 65 bytes.
    error BadKey();
    /// @dev Not `[a-z0-9-]{1,32}`.
    error BadRegion();
    /// @dev Not https, not printable ASCII, or above 128 bytes.
    error BadUrl();
    /// @dev A term below one hour, or a term or grace above a year.
    error BadTerms();
    /// @dev A refusal says why: codes begin at 1.
    error BadCode();
    /// @dev An address that must be set is zero.
    error ZeroAddress();
    /// @dev There is nothing to pay out.
    error NothingToPay();
    /// @dev The native transfer was refused by its receiver.
    error TransferFailed();

    /*//////////////////////////////////////////////////////////////
                                 EVENTS
    //////////////////////////////////////////////////////////////*/

    /// @notice A broker was registered.
    event BrokerRegistered(uint256 indexed brokerId, address indexed operator);
    /// @notice What a broker says of itself has changed.
    event BrokerUpdated(uint256 indexed brokerId, uint32 termsVersion);
    /// @notice Whether a broker takes requests, and how much it has left.
    event StatusSet(uint256 indexed brokerId, bool active, Capacity capacity);
    /// @notice A broker was handed to another operator.
    event OperatorSet(uint256 indexed brokerId, address indexed operator);
    /// @notice An installation may ask a broker without fee, or no longer.
    event ListedSet(uint256 indexed brokerId, address indexed installation, bool listed);
    /// @notice An installation asks a broker. Wakes the broker's service; the truth is `requestsOf`.
    event Asked(uint256 indexed requestId, uint256 indexed brokerId, address indexed installation);
    /// @notice A request has its outcome. Wakes the host; the truth is `request`.
    event Answered(uint256 indexed requestId, Outcome outcome, uint8 code);
    /// @notice A credit of `from` was paid out to `to`.
    event Withdrawn(address indexed from, address indexed to, uint256 amount);

    /*//////////////////////////////////////////////////////////////
                                STORAGE
    //////////////////////////////////////////////////////////////*/

    /// @notice How long a broker may take to answer; afterwards the asker takes the fee back.
    uint256 public constant ANSWER_WINDOW = 1 days;
    uint256 private constant MAX_PAYLOAD = 1024;
    uint256 private constant MAX_REGION = 32;
    uint256 private constant MAX_URL = 128;
    uint256 private constant MIN_TERM = 1 hours;
    uint256 private constant MAX_TERM = 365 days;

    BrokerRow[] private _brokers;
    RequestRow[] private _requests;
    mapping(uint256 brokerId => uint256[]) private _ofBroker;
    mapping(uint256 brokerId => mapping(address installation => bool)) private _listed;
    /// the newest request + 1
    mapping(uint256 brokerId => mapping(address installation => uint256)) private _newest;

    /// @notice What `who` may withdraw, in wei.
    mapping(address who => uint256) public credited;

    /*//////////////////////////////////////////////////////////////
                                BROKERS
    //////////////////////////////////////////////////////////////*/

    /// @notice Registers a broker; the caller is its operator: fees are credited to it. Returns its id.
    function register(Profile calldata profile) external returns (uint256 brokerId) {
        _check(profile);
        brokerId = _brokers.length;
        BrokerRow storage row = _brokers.push();
        row.operator = msg.sender;
        row.termsVersion = 1;
        row.active = true;
        row.profile = profile;
        emit BrokerRegistered(brokerId, msg.sender);
    }

    /// @notice Replaces all that a broker says of itself. Open requests keep the fee they paid.
    function update(uint256 brokerId, Profile calldata profile) external {
        BrokerRow storage row = _operated(brokerId);
        _check(profile);
        Profile storage old = row.profile;
        if (
            old.fee != profile.fee || old.termSeconds != profile.termSeconds || old.graceSeconds != profile.graceSeconds
        ) {
            row.termsVersion += 1;
        }
        row.profile = profile;
        emit BrokerUpdated(brokerId, row.termsVersion);
    }

    /// @notice Whether the broker takes requests, and how much it has left. By operator or agent.
    function setStatus(uint256 brokerId, bool active, Capacity capacity) external {
        BrokerRow storage row = _served(brokerId);
        row.active = active;
        row.capacity = capacity;
        emit StatusSet(brokerId, active, capacity);
    }

    /// @notice Lets an installation ask without fee, or no longer. By operator or agent.
    function setListed(uint256 brokerId, address installation, bool mayAsk) external {
        _served(brokerId);
        _listed[brokerId][installation] = mayAsk;
        emit ListedSet(brokerId, installation, mayAsk);
    }

    /// @notice Offers the broker to another operator, who must accept; the zero address takes the offer back.
    function offerOperator(uint256 brokerId, address to) external {
        _operated(brokerId).offeredTo = to;
    }

    /// @notice Takes over a broker that was offered to the caller. What was credited before stays the former operator's.
    function acceptOperator(uint256 brokerId) external {
        BrokerRow storage row = _broker(brokerId);
        if (row.offeredTo != msg.sender) revert NotOperator(msg.sender);
        row.operator = msg.sender;
        row.offeredTo = address(0);
        emit OperatorSet(brokerId, msg.sender);
    }

    /*//////////////////////////////////////////////////////////////
                               REQUESTS
    //////////////////////////////////////////////////////////////*/

    /// @notice Asks a broker in the name of an installation. One open request per broker and installation.
    /// @param brokerId whom
    /// @param installation a `Subscriptions` contract; the caller is its owner or provisioner
    /// @param termsVersion what the caller has read; other terms revert
    /// @param question ciphertext to the broker's key, 1 to 1024 bytes
    /// @return requestId where the answer will be
    function ask(uint256 brokerId, address installation, uint32 termsVersion, bytes calldata question)
        external
        payable
        nonReentrant
        returns (uint256 requestId)
    {
        BrokerRow storage broker_ = _broker(brokerId);
        if (!broker_.active || broker_.capacity == Capacity.Closed) revert BrokerClosed(brokerId);
        if (broker_.termsVersion != termsVersion) revert TermsChanged(broker_.termsVersion);
        _checkPayload(question);
        uint256 newest = _newest[brokerId][installation];
        if (newest != 0 && _requests[newest - 1].outcome == Outcome.Open) revert RequestOpen(newest - 1);

        uint128 fee = broker_.profile.fee;
        if (_listed[brokerId][installation]) fee = 0;
        else if (fee == 0) revert NotListed(brokerId, installation);
        if (msg.value != fee) revert WrongValue(fee);
        if (!_speaksFor(installation, msg.sender)) revert NotInstallation(installation, msg.sender);

        requestId = _requests.length;
        RequestRow storage row = _requests.push();
        row.asker = msg.sender;
        row.askedAt = uint64(block.timestamp);
        row.outcome = Outcome.Open;
        row.installation = installation;
        row.brokerId = uint64(brokerId);
        row.fee = fee;
        row.question = question;
        _ofBroker[brokerId].push(requestId);
        _newest[brokerId][installation] = requestId + 1;
        emit Asked(requestId, brokerId, installation);
    }

    /// @notice Grants a request: the fee is the operator's. By the broker's agent or operator, once, within the window.
    /// @param answer ciphertext to the key inside the question, 1 to 1024 bytes
    function grant(uint256 requestId, bytes calldata answer) external {
        RequestRow storage row = _answerable(requestId);
        _checkPayload(answer);
        row.outcome = Outcome.Granted;
        row.answer = answer;
        credited[_brokers[row.brokerId].operator] += row.fee;
        emit Answered(requestId, Outcome.Granted, 0);
    }

    /// @notice Refuses a request: the fee goes back to who asked. Also what cannot be decrypted costs this one answer.
    /// @param code why, from 1; the service's documentation names them
    function refuse(uint256 requestId, uint8 code) external {
        RequestRow storage row = _answerable(requestId);
        if (code == 0) revert BadCode();
        row.outcome = Outcome.Refused;
        row.code = code;
        credited[row.asker] += row.fee;
        emit Answered(requestId, Outcome.Refused, code);
    }

    /// @notice Takes a request back that nobody answered in time, and its fee with it. By who asked.
    function takeBack(uint256 requestId) external {
        RequestRow storage row = _open(requestId);
        if (row.asker != msg.sender) revert NotAsker(msg.sender);
        if (block.timestamp < row.askedAt + ANSWER_WINDOW) revert AnswerWindowOpen(requestId);
        row.outcome = Outcome.Withdrawn;
        credited[msg.sender] += row.fee;
        emit Answered(requestId, Outcome.Withdrawn, 0);
    }

    /// @notice Pays out what is credited to the caller.
    function withdraw(address payable to) external nonReentrant {
        if (to == address(0)) revert ZeroAddress();
        uint256 amount = credited[msg.sender];
        if (amount == 0) revert NothingToPay();
        credited[msg.sender] = 0;
        emit Withdrawn(msg.sender, to, amount);
        // solidity's transfer gives too little gas to contract wallets
        // slither-disable-next-line low-level-calls
        (bool sent,) = to.call{value: amount}("");
        if (!sent) revert TransferFailed();
    }

    /*//////////////////////////////////////////////////////////////
                                 VIEWS
    //////////////////////////////////////////////////////////////*/

    /// @notice How many brokers there are; their ids begin at 0.
    function brokerCount() external view returns (uint256) {
        return _brokers.length;
    }

    /// @notice One broker.
    function broker(uint256 brokerId) external view returns (Broker memory) {
        return _brokerView(brokerId);
    }

    /// @notice Up to `count` brokers from an id on.
    function brokers(uint256 from, uint256 count) external view returns (Broker[] memory list) {
        uint256 length = _page(_brokers.length, from, count);
        list = new Broker[](length);
        for (uint256 i = 0; i < length; ++i) {
            list[i] = _brokerView(from + i);
        }
    }

    /// @notice Whether an installation may ask a broker without fee.
    function listed(uint256 brokerId, address installation) external view returns (bool) {
        return _listed[brokerId][installation];
    }

    /// @notice How many requests there are; their ids begin at 0.
    function requestCount() external view returns (uint256) {
        return _requests.length;
    }

    /// @notice One request with its outcome.
    function request(uint256 requestId) external view returns (Request memory) {
        return _requestView(requestId);
    }

    /// @notice How many requests a broker has got.
    function requestCountOf(uint256 brokerId) external view returns (uint256) {
        return _ofBroker[brokerId].length;
    }

    /// @notice Up to `count` of a broker's requests, in the order in which they came, from the `from`-th on.
    function requestsOf(uint256 brokerId, uint256 from, uint256 count) external view returns (Request[] memory list) {
        uint256[] storage ids = _ofBroker[brokerId];
        uint256 length = _page(ids.length, from, count);
        list = new Request[](length);
        for (uint256 i = 0; i < length; ++i) {
            list[i] = _requestView(ids[from + i]);
        }
    }

    /*//////////////////////////////////////////////////////////////
                                INTERNAL
    //////////////////////////////////////////////////////////////*/

    function _broker(uint256 brokerId) private view returns (BrokerRow storage) {
        if (brokerId >= _brokers.length) revert UnknownBroker(brokerId);
        return _brokers[brokerId];
    }

    function _operated(uint256 brokerId) private view returns (BrokerRow storage row) {
        row = _broker(brokerId);
        if (msg.sender != row.operator) revert NotOperator(msg.sender);
    }

    function _served(uint256 brokerId) private view returns (BrokerRow storage row) {
        row = _broker(brokerId);
        if (msg.sender != row.operator && msg.sender != row.profile.agent) revert NotAgent(msg.sender);
    }

    function _open(uint256 requestId) private view returns (RequestRow storage row) {
        if (requestId >= _requests.length) revert UnknownRequest(requestId);
        row = _requests[requestId];
        if (row.outcome != Outcome.Open) revert RequestDone(requestId, row.outcome);
    }

    /// Open, the caller serves the broker, and the asker may not have taken it back meanwhile.
    function _answerable(uint256 requestId) private view returns (RequestRow storage row) {
        row = _open(requestId);
        _served(row.brokerId);
        if (block.timestamp >= row.askedAt + ANSWER_WINDOW) revert AnswerTooLate(requestId);
    }

    function _speaksFor(address installation, address who) private view returns (bool) {
        if (installation.code.length == 0) return false;
        return _answers(installation, IInstallation.provisioner.selector, who)
            || _answers(installation, IInstallation.owner.selector, who);
    }

    /// A contract without the function, or with a foreign answer, says no; it does not revert with its own words.
    function _answers(address installation, bytes4 selector, address who) private view returns (bool) {
        // slither-disable-next-line low-level-calls
        (bool done, bytes memory data) = installation.staticcall(abi.encodeWithSelector(selector));
        return done && data.length == 32 && abi.decode(data, (uint256)) == uint160(who);
    }

    function _checkPayload(bytes calldata payload) private pure {
        if (payload.length == 0 || payload.length > MAX_PAYLOAD) revert BadPayload(payload.length);
    }

    function _check(Profile calldata profile) private pure {
        if (profile.agent == address(0)) revert ZeroAddress();
        if (profile.key.length != 65 || profile.key[0] != 0x04) revert BadKey();
        if (profile.termSeconds < MIN_TERM || profile.termSeconds > MAX_TERM || profile.graceSeconds > MAX_TERM) {
            revert BadTerms();
        }
        bytes calldata region = bytes(profile.region);
        if (region.length == 0 || region.length > MAX_REGION) revert BadRegion();
        for (uint256 i = 0; i < region.length; ++i) {
            bytes1 c = region[i];
            if (!((c >= "a" && c <= "z") || (c >= "0" && c <= "9") || c == "-")) revert BadRegion();
        }
        bytes calldata url = bytes(profile.url);
        if (url.length <= 8 || url.length > MAX_URL || bytes8(url[:8]) != "https://") revert BadUrl();
        for (uint256 i = 0; i < url.length; ++i) {
            if (url[i] <= 0x20 || url[i] >= 0x7f) revert BadUrl();
        }
    }

    function _page(uint256 total, uint256 from, uint256 count) private pure returns (uint256) {
        if (from >= total) return 0;
        return count < total - from ? count : total - from;
    }

    function _brokerView(uint256 brokerId) private view returns (Broker memory) {
        BrokerRow storage row = _broker(brokerId);
        return Broker(brokerId, row.operator, row.active, row.capacity, row.termsVersion, row.profile);
    }

    function _requestView(uint256 requestId) private view returns (Request memory) {
        if (requestId >= _requests.length) revert UnknownRequest(requestId);
        RequestRow storage row = _requests[requestId];
        return Request({
            requestId: requestId,
            brokerId: row.brokerId,
            installation: row.installation,
            asker: row.asker,
            fee: row.fee,
            askedAt: row.askedAt,
            outcome: row.outcome,
            code: row.code,
            question: row.question,
            answer: row.answer
        });
    }
}
// slither-disable-end timestamp
