// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IERC721Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {NewPlan, Plan, Price} from "../src/Plans.sol";
import {Subscriptions} from "../src/Subscriptions.sol";
import {Fixture} from "./support/Fixture.sol";

/// @notice The whole table: each state × each external call × each caller is allowed or refused with the exact reason.
/// What is expected is told by three small rules below, which know states and roles and nothing of the contract's code.
contract TransitionsTest is Fixture {
    enum World {
        Unknown,
        OperatorsPass,
        Pending,
        PendingLate,
        Active,
        Grace,
        GraceOver,
        Rejected,
        Refunded,
        Cancelled,
        Over
    }

    enum Role {
        Owner,
        Treasury,
        Provisioner,
        Holder,
        Approved,
        FormerHolder,
        Stranger
    }

    enum Call {
        Activate,
        Reject,
        End,
        Refund,
        Cancel,
        Settle,
        Extend,
        QuoteExtend,
        Transfer,
        SafeTransfer,
        Approve,
        TokenURI,
        Buy,
        BuyWithPermit,
        Withdraw,
        Collect,
        ApproveForAll,
        AddPlan,
        SetPrice,
        SetCapacity,
        SetOpen,
        SetTreasury,
        SetProvisioner,
        SetBuyingPaused,
        TransferOwnership,
        AcceptOwnership,
        RenounceOwnership
    }

    uint256 private constant WORLDS = 11;
    uint256 private constant ROLES = 7;
    uint256 private constant CALLS = 27;
    /// had the pass before the holder
    address private former = address(0x2001);
    address private approved = address(0x2002);
    address private fresh = address(0x2003);

    // -- what is expected

    /// Calls about one subscription. `0x`: allowed.
    function expected(World world, Call call, Role role, uint256 id) private view returns (bytes memory) {
        if (call >= Call.Buy) return expectedOfTheRest(call, role);
        if (call >= Call.Transfer) return expectedOfThePass(world, call, role, id);
        if (call == Call.Activate || call == Call.Reject) {
            if (role != Role.Provisioner) return notProvisioner(role);
        }
        if (call == Call.End && role != Role.Provisioner && role != Role.Owner) return notProvisioner(role);
        bool forPending = call == Call.Activate || call == Call.Reject || call == Call.Refund;
        bool isPending = world == World.Pending || world == World.PendingLate;
        bool isActive = world == World.Active || world == World.Grace || world == World.GraceOver;
        if (forPending ? !isPending : !isActive) {
            return abi.encodeWithSelector(Subscriptions.WrongState.selector, id, phaseOf(world));
        }
        if (call == Call.Activate && world == World.PendingLate) {
            return abi.encodeWithSelector(Subscriptions.DeadlinePassed.selector, id);
        }
        if (call == Call.Refund && world == World.Pending) {
            return abi.encodeWithSelector(Subscriptions.DeadlineNotPassed.selector, id);
        }
        if (call == Call.End && world != World.GraceOver) {
            return abi.encodeWithSelector(Subscriptions.GraceNotOver.selector, id);
        }
        if (call == Call.Cancel && role != Role.Holder) {
            return abi.encodeWithSelector(Subscriptions.NotHolder.selector, id);
        }
        return "";
    }

    function expectedOfThePass(World world, Call call, Role role, uint256 id) private view returns (bytes memory) {
        bool exists = world == World.OperatorsPass || (world >= World.Pending && world <= World.GraceOver);
        bytes memory gone = abi.encodeWithSelector(IERC721Errors.ERC721NonexistentToken.selector, id);
        if (!exists) return gone;
        if (call == Call.TokenURI) return "";
        bool holds = role == (world == World.OperatorsPass ? Role.Owner : Role.Holder);
        if (call == Call.Approve) {
            bool may = holds;
            return may ? bytes("") : abi.encodeWithSelector(IERC721Errors.ERC721InvalidApprover.selector, who(role));
        }
        // the operator's pass is approved to nobody here
        if (holds || (role == Role.Approved && world != World.OperatorsPass)) return "";
        return abi.encodeWithSelector(IERC721Errors.ERC721InsufficientApproval.selector, who(role), id);
    }

    /// Calls that are about no subscription: the state of one changes nothing.
    function expectedOfTheRest(Call call, Role role) private view returns (bytes memory) {
        if (call == Call.Withdraw || call == Call.Collect) {
            return abi.encodeWithSelector(Subscriptions.NothingToPay.selector);
        }
        if (call < Call.AddPlan) return "";
        if (call == Call.AcceptOwnership || role != Role.Owner) {
            return abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, who(role));
        }
        return
            call == Call.RenounceOwnership ? abi.encodeWithSelector(Subscriptions.CannotRenounce.selector) : bytes("");
    }

    function notProvisioner(Role role) private view returns (bytes memory) {
        return abi.encodeWithSelector(Subscriptions.NotProvisioner.selector, who(role));
    }

    function phaseOf(World world) private pure returns (Subscriptions.Phase) {
        if (world <= World.OperatorsPass) return Subscriptions.Phase.None;
        if (world <= World.PendingLate) return Subscriptions.Phase.Pending;
        if (world == World.Active) return Subscriptions.Phase.Active;
        if (world == World.Grace) return Subscriptions.Phase.Grace;
        return world == World.GraceOver ? Subscriptions.Phase.GraceOver : Subscriptions.Phase.Ended;
    }

    // -- the world and the call

    function who(Role role) private view returns (address) {
        address[ROLES] memory all = [owner, treasury, provisioner, alice, approved, former, stranger];
        return all[uint256(role)];
    }

    /// A subscription in that state, held by alice; with nothing credited and nothing to collect.
    function make(World world) private returns (uint256 id) {
        if (world == World.Unknown) return 77;
        if (world == World.OperatorsPass) return 0;
        vm.deal(former, 1 ether);
        id = buy(former, COIN, DAY);
        vm.prank(former);
        subs.transferFrom(former, alice, id);
        vm.prank(alice);
        subs.approve(approved, id);
        if (world == World.PendingLate || world == World.Refunded) later(DEADLINE);
        if (world == World.Rejected) {
            vm.prank(provisioner);
            subs.reject(id);
        }
        if (world == World.Refunded) subs.refund(id);
        bool started = world >= World.Active && world <= World.GraceOver;
        if (started || world == World.Cancelled || world == World.Over) activate(id);
        if (world == World.Grace) later(DAY);
        if (world == World.GraceOver || world == World.Over) later(DAY + GRACE);
        if (world == World.Cancelled) cancel(alice, id);
        if (world == World.Over) {
            vm.prank(provisioner);
            subs.end(id);
        }
        if (subs.credited(COIN, alice) != 0) {
            vm.prank(alice);
            subs.withdraw(COIN, alice);
        }
        if (subs.collectable(COIN) != 0) subs.collect(COIN);
    }

    function encoded(Call call, uint256 id, address caller) private view returns (bytes memory) {
        if (call == Call.Activate) return abi.encodeCall(subs.activate, (id));
        if (call == Call.Reject) return abi.encodeCall(subs.reject, (id));
        if (call == Call.End) return abi.encodeCall(subs.end, (id));
        if (call == Call.Refund) return abi.encodeCall(subs.refund, (id));
        if (call == Call.Cancel) return abi.encodeCall(subs.cancel, (id));
        if (call == Call.Settle) return abi.encodeCall(subs.settle, (id));
        if (call == Call.Extend) return abi.encodeCall(subs.extend, (id, DAY, COIN_PER_DAY));
        if (call == Call.QuoteExtend) return abi.encodeCall(subs.quoteExtend, (id, DAY));
        address holder = id == 0 ? owner : alice;
        if (call == Call.Transfer) return abi.encodeCall(subs.transferFrom, (holder, fresh, id));
        if (call == Call.SafeTransfer) {
            return abi.encodeWithSignature("safeTransferFrom(address,address,uint256)", holder, fresh, id);
        }
        if (call == Call.Approve) return abi.encodeCall(subs.approve, (fresh, id));
        if (call == Call.TokenURI) return abi.encodeCall(subs.tokenURI, (id));
        if (call == Call.Buy) return abi.encodeCall(subs.buy, (SMALL, COIN, DAY, COIN_PER_DAY, caller));
        return encodedRest(call, caller);
    }

    function encodedRest(Call call, address caller) private view returns (bytes memory) {
        if (call == Call.BuyWithPermit) {
            return abi.encodeCall(
                subs.buyWithPermit, (SMALL, address(dusd), DAY, DUSD_PER_DAY, caller, 0, 0, bytes32(0), bytes32(0))
            );
        }
        if (call == Call.Withdraw) return abi.encodeCall(subs.withdraw, (COIN, caller));
        if (call == Call.Collect) return abi.encodeCall(subs.collect, (COIN));
        if (call == Call.ApproveForAll) return abi.encodeCall(subs.setApprovalForAll, (fresh, true));
        if (call == Call.AddPlan) return abi.encodeCall(subs.addPlan, (NewPlan(planOf("next", 1), new Price[](0))));
        if (call == Call.SetPrice) return abi.encodeCall(subs.setPrice, (SMALL, COIN, 1));
        if (call == Call.SetCapacity) return abi.encodeCall(subs.setCapacity, (SMALL, 1));
        if (call == Call.SetOpen) return abi.encodeCall(subs.setOpen, (SMALL, false));
        if (call == Call.SetTreasury) return abi.encodeCall(subs.setTreasury, (fresh));
        if (call == Call.SetProvisioner) return abi.encodeCall(subs.setProvisioner, (fresh));
        if (call == Call.SetBuyingPaused) return abi.encodeCall(subs.setBuyingPaused, (true));
        if (call == Call.TransferOwnership) return abi.encodeCall(subs.transferOwnership, (fresh));
        if (call == Call.AcceptOwnership) return abi.encodeCall(subs.acceptOwnership, ());
        return abi.encodeCall(subs.renounceOwnership, ());
    }

    /// What the world is after an allowed call, as the views tell it.
    function checkAfter(World world, Call call, uint256 id, address caller) private view {
        Subscriptions.Phase before = phaseOf(world);
        Subscriptions.Phase now_ = subs.entitlement(id);
        if (call == Call.Activate || call == Call.Extend) {
            eq(uint256(now_), uint256(Subscriptions.Phase.Active), "active");
        } else if (call <= Call.Cancel) {
            eq(uint256(now_), uint256(Subscriptions.Phase.Ended), "ended");
        } else {
            eq(uint256(now_), uint256(before), "the same phase");
        }
        if (call == Call.Transfer || call == Call.SafeTransfer) eq(subs.ownerOf(id), fresh, "moved");
        if (call == Call.Buy || call == Call.BuyWithPermit) {
            eq(subs.subscription(subs.nextTokenId() - 1).holder, caller, "bought");
        }
    }

    function name(World world, Call call, Role role) private pure returns (string memory) {
        return string.concat(
            "state ", digits(uint256(world)), ", call ", digits(uint256(call)), ", caller ", digits(uint256(role))
        );
    }

    function digits(uint256 n) private pure returns (string memory) {
        return string(abi.encodePacked(bytes1(uint8(48 + n / 10)), bytes1(uint8(48 + n % 10))));
    }

    /// All callers and calls in one state; returns how many were allowed.
    function table(World world) private returns (uint256 allowed) {
        uint256 id = make(world);
        for (uint256 r = 0; r < ROLES; ++r) {
            address caller = who(Role(r));
            vm.deal(caller, 1 ether);
            dusd.mint(caller, DUSD_PER_DAY);
            vm.prank(caller);
            dusd.approve(address(subs), DUSD_PER_DAY);
            for (uint256 c = 0; c < CALLS; ++c) {
                if (row(world, Call(c), Role(r), id, caller)) ++allowed;
            }
        }
    }

    function row(World world, Call call, Role role, uint256 id, address caller) private returns (bool ok) {
        bytes memory wanted = expected(world, call, role, id);
        uint256 snapshot = vm.snapshotState();
        bytes memory answer;
        uint256 value = call == Call.Extend || call == Call.Buy ? COIN_PER_DAY : 0;
        bytes memory data = encoded(call, id, caller);
        vm.prank(caller);
        (ok, answer) = address(subs).call{value: value}(data);
        yes(ok == (wanted.length == 0), name(world, call, role));
        if (!ok) yes(keccak256(answer) == keccak256(wanted), string.concat("reason of ", name(world, call, role)));
        else checkAfter(world, call, id, caller);
        vm.revertToState(snapshot);
    }

    /// The table has as many allowed fields as this, counted by hand from the roles: 7 callers a state.
    function test_everyStateEveryCallEveryCaller() public {
        // about no subscription: buy, buyWithPermit, setApprovalForAll by all 7; 8 of the owner
        uint256 rest = 3 * 7 + 8;
        // tokenURI by all, transfer and safeTransfer by holder and approved, approve by the holder
        uint256 pass = 7 + 2 * 2 + 1;
        uint256[WORLDS] memory wanted = [
            rest,
            rest + 7 + 2 + 1,
            rest + pass + 2, // activate, reject
            rest + pass + 1 + 7, // reject, refund by anyone
            rest + pass + 7 * 3 + 1, // settle, extend, quoteExtend by anyone; cancel
            rest + pass + 7 * 3 + 1,
            rest + pass + 7 * 3 + 1 + 2, // and end
            rest,
            rest,
            rest,
            rest
        ];
        uint256 start = vm.snapshotState();
        for (uint256 w = 0; w < WORLDS; ++w) {
            eq(table(World(w)), wanted[w], string.concat("allowed in state ", digits(w)));
            vm.revertToState(start);
        }
    }

    /// A call added to the contract must be added to the table: these are all that can change anything.
    function test_theTableNamesEveryCallThatCanChangeAnything() public view {
        string memory abi_ = vm.readFile("deploy/subscriptions.abi.txt");
        uint256 writes;
        bytes memory text = bytes(abi_);
        // one line a function; those that only read say so
        uint256 begin = 0;
        for (uint256 i = 0; i <= text.length; ++i) {
            if (i != text.length && text[i] != "\n") continue;
            if (changes(text, begin, i)) ++writes;
            begin = i + 1;
        }
        // the table's calls, safeTransferFrom with data as its twin, without the two that only read (renounceOwnership is one
        // that reads by its type and is in the table)
        eq(writes, CALLS + 1 - 3, "calls that can change anything");
    }

    function changes(bytes memory text, uint256 begin, uint256 end) private pure returns (bool) {
        return
            has(text, begin, end, "function ") && !has(text, begin, end, ") view") && !has(text, begin, end, ") pure");
    }

    function has(bytes memory text, uint256 begin, uint256 end, bytes memory word) private pure returns (bool) {
        for (uint256 i = begin; i + word.length <= end; ++i) {
            bool same = true;
            for (uint256 j = 0; j < word.length && same; ++j) {
                same = text[i + j] == word[j];
            }
            if (same) return true;
        }
        return false;
    }
}
