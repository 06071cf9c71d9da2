// Result and Error: a value or what stands in its place.
#include "base/result.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <memory>

namespace hairpin {
namespace {

Result<int> half(int n) {
    if (n % 2) return Error{std::to_string(n) + " is odd"};
    return n / 2;
}

Result<> check(int n) {
    if (const auto r = half(n); !r) return r.error().within("checking");
    return {};
}

TEST(Result, HoldsAValue) {
    const auto r = half(8);
    ASSERT_TRUE(r.ok());
    EXPECT_TRUE(r);
    EXPECT_EQ(*r, 4);
    EXPECT_EQ(r.value(), 4);
}

TEST(Result, HoldsAnErrorInPlaceOfAValue) {
    const auto r = half(7);
    ASSERT_FALSE(r.ok());
    EXPECT_FALSE(r);
    EXPECT_EQ(r.error().message, "7 is odd");
}

TEST(Result, OfNothingIsSuccessOrError) {
    EXPECT_TRUE(check(2));
    EXPECT_EQ(check(3).error().message, "checking: 3 is odd");
}

TEST(Result, GivesUpAValueThatCannotBeCopied) {
    Result<std::unique_ptr<int>> r(std::make_unique<int>(5));
    const std::unique_ptr<int> owned = std::move(r).value();
    EXPECT_EQ(*owned, 5);
    EXPECT_EQ(r.value(), nullptr);
}

TEST(Result, TellsAValueFromAnErrorOfTheSameWords) {
    EXPECT_TRUE(Result<std::string>(std::string("oops")).ok());
    EXPECT_FALSE(Result<std::string>(Error{"oops"}).ok());
}

TEST(Error, GainsContextFromTheInsideOut) {
    const Error inner{"port 80 is taken"};
    EXPECT_EQ(inner.within("listening").within("service 'web'").message, "service 'web': listening: port 80 is taken");
}

TEST(Error, NamesWhatErrnoSays) {
    EXPECT_EQ(system_error("opening x", ENOENT).message, "opening x: No such file or directory");
    errno = EACCES;
    EXPECT_EQ(system_error("opening y").message, "opening y: Permission denied");
}

}  // namespace
}  // namespace hairpin
