// load_config(): the examples, and everything that a path may lead to.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

#include "config/config.h"

namespace hairpin {
namespace {

namespace fs = std::filesystem;

class LoadConfig : public testing::Test {
protected:
    void SetUp() override {
        std::string name = fs::temp_directory_path() / "hairpin-load-XXXXXX";
        ASSERT_NE(::mkdtemp(name.data()), nullptr);
        folder_ = name;
    }
    void TearDown() override { fs::remove_all(folder_); }

    std::string write(const std::string& name, std::string_view text) {
        std::ofstream(folder_ / name, std::ios::binary) << text;
        return folder_ / name;
    }

    static std::string only_error(const std::string& path) {
        const Config config = load_config(path);
        EXPECT_EQ(config.errors.size(), 1u);
        return config.errors.empty() ? "" : config.errors.front().str();
    }

    fs::path folder_;
};

const std::string small = "services: {a: {listen: 1.0.0.1:80, backends: 10.0.0.2:80}}\n";

TEST_F(LoadConfig, AcceptsEveryExample) {
    int examples = 0;
    for (const auto& entry : fs::directory_iterator(HAIRPIN_SOURCE_DIR "/examples")) {
        if (entry.path().extension() != ".yaml") continue;
        ++examples;
        const Config config = load_config(entry.path());
        for (const Diagnostic& error : config.errors) ADD_FAILURE() << error.str();
        EXPECT_FALSE(config.services.empty()) << entry.path();
    }
    EXPECT_GE(examples, 6);
}

TEST_F(LoadConfig, NamesTheFileAsGiven) {
    EXPECT_EQ(only_error(write("a.yaml", "engin: proxy\n" + small)),
              (folder_ / "a.yaml").string() + ":1:1: unknown key 'engin': did you mean 'engine'?");
}

TEST_F(LoadConfig, SaysWhyAPathIsNoFile) {
    EXPECT_EQ(only_error("/nonexistent.yaml"), "/nonexistent.yaml: there is no such file; name another one");
    EXPECT_EQ(only_error(""), "'': there is no such file; name another one");
    EXPECT_EQ(only_error(folder_), folder_.string() + ": is a directory: name the file in it");
    EXPECT_EQ(only_error("/dev/zero"), "/dev/zero: is neither a file nor a pipe");
}

TEST_F(LoadConfig, RefusesALargeFileWithoutReadingIt) {
    const std::string path = write("large.yaml", small);
    fs::resize_file(path, 100u << 20);
    EXPECT_EQ(only_error(path), path + ": larger than 32 MiB");
}

TEST_F(LoadConfig, ReadsAPipe) {
    const std::string path = folder_ / "pipe";
    ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
    // Held open for reading, so that the writer need not wait for load_config().
    const int keep = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
    std::thread writer([&] {
        std::ofstream(path) << small;
        ::close(keep);
    });
    EXPECT_EQ(load_config(path).services.size(), 1u);
    writer.join();
}

TEST_F(LoadConfig, WaitsForTheWriterOfAPipe) {
    const std::string path = folder_ / "pipe";
    ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
    // Opening it to write waits for load_config(), so the writer cannot come first.
    std::thread writer([&] { std::ofstream(path) << small; });
    EXPECT_EQ(load_config(path).services.size(), 1u);
    writer.join();
}

TEST_F(LoadConfig, APipeWhoseWriterWroteNothingIsEmpty) {
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    ::close(ends[1]);
    EXPECT_NE(only_error("/proc/self/fd/" + std::to_string(ends[0])).find("no services"), std::string::npos);
    ::close(ends[0]);
}

TEST_F(LoadConfig, HandsOutWhatItRead) {
    std::string text;
    EXPECT_EQ(load_config(write("a.yaml", small), &text).services.size(), 1u);
    EXPECT_EQ(text, small);
}

TEST_F(LoadConfig, AnEndlessPipeIsRefused) {
    const std::string path = folder_ / "pipe";
    ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
    const int reader = ::open(path.c_str(), O_RDWR | O_CLOEXEC);  // no SIGPIPE while it is open
    const int writer = ::open(path.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    std::atomic<bool> done = false;
    std::thread flood([&] {
        const std::string comment(4096, '#');
        while (!done) {
            if (::write(writer, comment.data(), comment.size()) < 0) std::this_thread::yield();
        }
    });
    EXPECT_EQ(only_error(path), path + ": larger than 32 MiB");
    done = true;
    flood.join();
    ::close(writer);
    ::close(reader);
}

}  // namespace
}  // namespace hairpin
