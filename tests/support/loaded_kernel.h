// The kernel's half of the bpf engines where it belongs: loaded as the engine loads it, with maps that are filled as
// the engine fills them, and run on single frames by BPF_PROG_TEST_RUN. What it sends goes nowhere.
#pragma once

#include <filesystem>
#include <memory>
#include <span>

#include "engines/bpf/kernel.h"
#include "kernel_half.h"

namespace hairpin::bpf {

// Needs root, acts on the network namespace of its thread, and routes as that does.
class LoadedKernel final : public KernelHalf {
public:
    // Pins what it makes in the folder, as the engine does.
    static Result<std::unique_ptr<LoadedKernel>> load(const std::filesystem::path& folder);

    // This and nothing else from now on; what it had of flows is gone.
    Result<> serve(const Tables& tables, size_t services);

    Verdict arrives(int link, const std::string& frame) override;
    Verdict in_driver(int link, const std::string& frame) override;

    std::optional<hp_half> half(const hp_tuple& key) const override;

    // As arrives(), for those who run millions: the program's code, and the frame as it leaves in what `left` has room
    // for.
    int run(int link, std::string_view frame, std::span<char> left) const;

    const Kernel& kernel() const { return kernel_; }

private:
    explicit LoadedKernel(Kernel kernel) : kernel_(std::move(kernel)) {}
    Verdict concluded(const std::string& sent, const std::string& left) const;

    Kernel kernel_;
    Tables tables_;
};

constexpr int code_of_redirect = 7;  // TC_ACT_REDIRECT

}  // namespace hairpin::bpf
