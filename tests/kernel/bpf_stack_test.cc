// The programs of the bpf engines fit on the stack of the oldest kernel that runs them. Linux 6.1 counts the stack of
// each function in steps of 32 bytes (check_max_stack_depth() in kernel/bpf/verifier.c), newer ones in smaller steps:
// so a program may be loaded here, and refused there.
#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <sstream>
#include <vector>

#include "kernel/namespace.h"

namespace hairpin::bpf {
namespace {

constexpr int most = 512;
constexpr int step = 32;

// A program with the functions that it calls, as the kernel takes them: one after the other.
class Functions {
public:
    Functions(const bpf_insn* code, size_t size, const std::string& log) {
        begins_[0];
        for (size_t i = 0; i < size; ++i) {
            if (const auto called = callee(code, i)) begins_[*called];
        }
        std::istringstream depths(log.substr(log.find("stack depth ") + std::string("stack depth ").size()));
        for (auto& [begin, function] : begins_) {
            depths >> function.stack;
            depths.ignore(1, '+');
        }
        complete_ = !depths.fail();
        for (size_t i = 0; i < size; ++i) {
            if (const auto called = callee(code, i)) std::prev(begins_.upper_bound(i))->second.calls.push_back(*called);
        }
    }

    bool complete() const { return complete_; }
    // Of the function that begins there, with the deepest of those that it calls.
    int stack(size_t begin = 0) const {
        const Function& function = begins_.at(begin);
        int deepest = 0;
        for (const size_t called : function.calls) deepest = std::max(deepest, stack(called));
        return deepest + (std::max(function.stack, 1) + step - 1) / step * step;
    }

private:
    struct Function {
        int stack = 0;  // bytes
        std::vector<size_t> calls;
    };

    // Where the function begins that is called, or handed on to be called, by an instruction.
    static std::optional<size_t> callee(const bpf_insn* code, size_t i) {
        const bool calls = code[i].code == (BPF_JMP | BPF_CALL) && code[i].src_reg == BPF_PSEUDO_CALL;
        const bool hands = code[i].code == (BPF_LD | BPF_IMM | BPF_DW) && code[i].src_reg == BPF_PSEUDO_FUNC;
        if (!calls && !hands) return {};
        return static_cast<size_t>(static_cast<long>(i) + code[i].imm + 1);
    }

    std::map<size_t, Function> begins_;
    bool complete_ = false;
};

using BpfStack = InNamespace;

TEST_F(BpfStack, IsEnoughOnTheOldestKernel) {
    constexpr int statistics = 4;  // BPF_LOG_STATS of kernel/bpf
    for (const char* name : {"nat_tc", "nat_xdp"}) {
        const auto file = std::filesystem::path(HAIRPIN_BINARY).parent_path() / "bpf" / fmt::format("{}.bpf.o", name);
        const std::unique_ptr<bpf_object, void (*)(bpf_object*)> object(::bpf_object__open(file.c_str()),
                                                                        ::bpf_object__close);
        ASSERT_TRUE(object) << file;
        std::map<std::string, std::vector<char>> logs;
        bpf_program* program = nullptr;
        bpf_object__for_each_program(program, object.get()) {
            auto& log = logs[::bpf_program__name(program)];
            log.resize(1 << 16);
            ::bpf_program__set_log_level(program, statistics);
            ::bpf_program__set_log_buf(program, log.data(), log.size());
        }
        ASSERT_EQ(::bpf_object__load(object.get()), 0) << strerror(errno);
        bpf_object__for_each_program(program, object.get()) {
            const std::string log = logs[::bpf_program__name(program)].data();
            const Functions functions(::bpf_program__insns(program), ::bpf_program__insn_cnt(program), log);
            ASSERT_TRUE(functions.complete()) << log;
            EXPECT_LE(functions.stack(), most) << ::bpf_program__name(program);
        }
    }
}

}  // namespace
}  // namespace hairpin::bpf
