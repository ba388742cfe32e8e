// compiler/codegen/ContractCheck.h — that an object's instructions are those of its contract.
#pragma once

#include "compiler/base/Result.h"
#include "compiler/target/Contract.h"

#include <string_view>

namespace quern {

/// Takes the object's code apart and asks of one instruction of each kind whether a CPU with what the contract says, and no more, has it.
/// Errors   Internal: the first that such a CPU does not have, or bytes that are no instruction.
Result<void> checkContract(std::string_view object, const Contract& contract);

}  // namespace quern
