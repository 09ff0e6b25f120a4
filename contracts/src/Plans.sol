// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @notice What a plan is made of. All but `capacity` and `open` never change: another machine is another plan.
struct Plan {
    /// 1–32 characters of `[A-Za-z0-9 ._-]`
    string name;
    /// 0 = VM, 1 = WASM
    uint8 kind;
    uint16 vcpus;
    uint32 memoryMiB;
    uint32 diskGiB;
    /// WASM only; resources are then 0
    uint64 gasPerDay;
    uint32 graceSeconds;
    uint32 activationDeadlineSeconds;
    uint32 minSeconds;
    uint32 maxSeconds;
    /// how many subscriptions may exist at a time
    uint32 capacity;
    bool open;
}

/// @notice What a plan costs in one token; the zero address is the native coin.
struct Price {
    address token;
    uint128 perDay;
}

/// @notice A plan with its prices, as the constructor and `addPlan` take it.
struct NewPlan {
    Plan plan;
    Price[] prices;
}

/// @notice A plan as the view `plan` tells it.
struct PlanView {
    uint256 planId;
    Plan plan;
    /// subscriptions that have not ended
    uint32 used;
    Price[] prices;
}

/// @title The rules that a plan must keep.
library PlanRules {
    /// @dev The name is empty, too long, or has other characters than `[A-Za-z0-9 ._-]`.
    error BadName();
    /// @dev The kind is unknown, or its resources do not fit it.
    error BadResources();
    /// @dev A duration is out of its range.
    error BadDurations();

    /// @notice Reverts unless the plan keeps the rules of its kind.
    function check(Plan memory plan) internal pure {
        bytes memory name = bytes(plan.name);
        if (name.length == 0 || name.length > 32) revert BadName();
        for (uint256 i = 0; i < name.length; ++i) {
            if (!_allowed(name[i])) revert BadName();
        }
        if (plan.kind == 0) {
            if (plan.vcpus == 0 || plan.memoryMiB == 0 || plan.diskGiB == 0 || plan.gasPerDay != 0) {
                revert BadResources();
            }
        } else if (plan.kind == 1) {
            if (plan.vcpus != 0 || plan.memoryMiB != 0 || plan.diskGiB != 0 || plan.gasPerDay == 0) {
                revert BadResources();
            }
        } else {
            revert BadResources();
        }
        if (
            plan.graceSeconds < 1 days || plan.activationDeadlineSeconds == 0 || plan.minSeconds == 0
                || plan.maxSeconds < plan.minSeconds
        ) revert BadDurations();
    }

    function _allowed(bytes1 c) private pure returns (bool) {
        return (c >= "a" && c <= "z") || (c >= "A" && c <= "Z") || (c >= "0" && c <= "9") || c == " " || c == "."
            || c == "_" || c == "-";
    }
}
